//! What each operation needs: one row for each method and path that the router serves.
//!
//! The guard reads this table before any handler runs. A test compares it with the router itself, so
//! that a new route without a row is red; until it has one, only an administrator may use it.

use gemelli_auth::Action;

/// What whoever asks must be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: no token is asked for.
    Nothing,
    /// A token of any role: what it allows depends on the body, and the handler asks.
    Login,
    /// This action.
    Action(Action),
}

/// What an operation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// The node, or many of its twins.
    Node,
    /// The twin whose id stands in this segment of the path, counted from 0.
    Twin(usize),
}

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The HTTP method, in capitals; that of GET includes HEAD.
    pub method: &'static str,
    /// The path as the router has it: `{name}` stands for one segment.
    pub path: &'static str,
    /// What it needs.
    pub needs: Needs,
    /// What it is about.
    pub about: About,
}

const READ: Needs = Needs::Action(Action::Read);
const REPORT: Needs = Needs::Action(Action::Report);
const WRITE: Needs = Needs::Action(Action::Write);
const ADMINISTER: Needs = Needs::Action(Action::Administer);

const fn row(method: &'static str, path: &'static str, needs: Needs, about: About) -> Route {
    Route {
        method,
        path,
        needs,
        about,
    }
}

use About::{Node, Twin};

/// Every operation of the API.
#[rustfmt::skip]
pub const ROUTES: &[Route] = &[
    row("GET", "/", READ, Node),
    row("GET", "/assets/{name}", READ, Node),
    row("GET", "/page", READ, Node),
    row("GET", "/page/style.css", READ, Node),
    row("GET", "/page/page.js", READ, Node),
    row("GET", "/page/icon.svg", READ, Node),
    row("GET", "/digitaltwins/{id}", READ, Twin(1)),
    row("PUT", "/digitaltwins/{id}", WRITE, Twin(1)),
    row("PATCH", "/digitaltwins/{id}", WRITE, Twin(1)),
    row("DELETE", "/digitaltwins/{id}", WRITE, Twin(1)),
    row("GET", "/digitaltwins/{id}/relationships", READ, Twin(1)),
    row("GET", "/digitaltwins/{id}/incomingrelationships", READ, Twin(1)),
    row("GET", "/digitaltwins/{id}/relationships/{rid}", READ, Twin(1)),
    row("PUT", "/digitaltwins/{id}/relationships/{rid}", WRITE, Twin(1)),
    row("PATCH", "/digitaltwins/{id}/relationships/{rid}", WRITE, Twin(1)),
    row("DELETE", "/digitaltwins/{id}/relationships/{rid}", WRITE, Twin(1)),
    row("GET", "/digitaltwins/{id}/components/{name}", READ, Twin(1)),
    row("PATCH", "/digitaltwins/{id}/components/{name}", WRITE, Twin(1)),
    row("POST", "/digitaltwins/{id}/telemetry", REPORT, Twin(1)),
    row("POST", "/digitaltwins/{id}/components/{name}/telemetry", REPORT, Twin(1)),
    row("GET", "/models", READ, Node),
    row("POST", "/models", ADMINISTER, Node),
    row("GET", "/models/{id}", READ, Node),
    row("PATCH", "/models/{id}", ADMINISTER, Node),
    row("DELETE", "/models/{id}", ADMINISTER, Node),
    row("POST", "/query", READ, Node),
    row("POST", "/events", Needs::Login, Node),
    row("POST", "/v1/apply", ADMINISTER, Node),
    row("GET", "/v1/objects/{kind}", READ, Node),
    row("GET", "/v1/objects/{kind}/{name}", READ, Node),
    row("DELETE", "/v1/objects/{kind}/{name}", ADMINISTER, Node),
    row("GET", "/v1/overview", READ, Node),
    row("GET", "/v1/overview/stream", READ, Node),
    row("GET", "/v1/stream", READ, Node),
    row("GET", "/v1/twins", READ, Node),
    row("GET", "/v1/twins/{id}", READ, Twin(2)),
    row("GET", "/v1/twins/{id}/history", READ, Twin(2)),
    row("POST", "/v1/twins/{id}/stop", WRITE, Twin(2)),
    row("POST", "/v1/twins/{id}/start", WRITE, Twin(2)),
    row("GET", "/v1/history", READ, Node),
    row("GET", "/v1/deadletters", READ, Node),
    row("GET", "/v1/status", READ, Node),
    row("GET", "/healthz", Needs::Nothing, Node),
    row("GET", "/metrics", READ, Node),
];

/// The operation of a method and a path of the router.
pub fn find(method: &str, path: &str) -> Option<&'static Route> {
    let method = if method == "HEAD" { "GET" } else { method };
    ROUTES
        .iter()
        .find(|route| route.method == method && route.path == path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    const METHODS: [&str; 8] = [
        "get", "delete", "options", "patch", "post", "put", "trace", "connect",
    ];

    /// What the router serves, read from the text in which it shows itself for debugging.
    fn served() -> BTreeSet<(String, String)> {
        let router = crate::server::routes();
        let shown = format!("{router:?}");
        // Only the paths that were added, not the fallbacks behind them.
        let (shown, _) = shown.split_once("fallback_router").unwrap();
        let (routes, paths) = shown.split_once("node: ").unwrap();
        let number = |text: &str| -> u32 {
            let digits = text.split_once(')').unwrap().0;
            digits.parse().unwrap()
        };
        let paths: BTreeMap<u32, String> = paths
            .split("RouteId(")
            .skip(1)
            .map(|entry| {
                let path = entry.split('"').nth(1).unwrap();
                (number(entry), path.to_owned())
            })
            .collect();
        let mut served = BTreeSet::new();
        for entry in routes.split("RouteId(").skip(1) {
            let path = &paths[&number(entry)];
            for method in METHODS {
                let at = entry.find(&format!("{method}: ")).unwrap();
                let endpoint = &entry[at + method.len() + 2..];
                if !endpoint.starts_with("None") {
                    served.insert((method.to_uppercase(), path.clone()));
                }
            }
        }
        served
    }

    #[test]
    fn every_operation_that_is_served_has_one_row_and_every_row_is_served() {
        let served = served();
        let rows: BTreeSet<_> = ROUTES
            .iter()
            .map(|route| (route.method.to_owned(), route.path.to_owned()))
            .collect();
        assert_eq!(rows.len(), ROUTES.len(), "an operation has two rows");
        let without: Vec<_> = served.difference(&rows).collect();
        assert!(
            without.is_empty(),
            "operations without a row in guard/routes.rs: {without:?}"
        );
        let gone: Vec<_> = rows.difference(&served).collect();
        assert!(gone.is_empty(), "rows that nothing serves: {gone:?}");
    }

    #[test]
    fn the_segment_of_a_twin_is_a_parameter() {
        for route in ROUTES {
            if let About::Twin(n) = route.about {
                let segment = route.path.split('/').nth(n + 1).unwrap();
                assert!(segment.starts_with('{'), "{route:?}");
            }
        }
    }
}
