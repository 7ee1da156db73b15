//! Loopback: where nobody logs in, and how pages of other origins are kept out.
//!
//! A page in the user's browser can send requests to this machine. It cannot choose the Host of a
//! name that it made point here (DNS rebinding) nor hide its Origin. So on loopback the Host must be
//! a loopback name, and an Origin, where a browser sends one, must be one too.

use std::net::{IpAddr, Ipv6Addr};

/// Why a request is not from this machine's own programs and pages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Foreign {
    /// The Host is missing.
    #[error("the request names no host")]
    NoHost,
    /// The Host is not a name of loopback.
    #[error("the host {0:?} is not a name of this machine's loopback address")]
    Host(String),
    /// A page of another origin.
    #[error("a page of {0:?} may not use this server")]
    Origin(String),
}

impl Foreign {
    /// Its stable code.
    pub const CODE: &'static str = "forbidden-host";

    /// What to do.
    pub const REMEDY: &'static str =
        "use localhost or 127.0.0.1, or listen on another address with a token: gemelli auth init";
}

/// Whether an address is reached from this machine only; others need authentication.
pub fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Whether the host of a `Host` header or an origin, with or without a port, is a loopback name:
/// `localhost`, `*.localhost`, 127.0.0.0/8, `[::1]`.
pub fn is_loopback_host(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, "")) => return is_ipv6(address),
            Some((address, port)) => {
                return is_ipv6(address) && port.strip_prefix(':').is_some_and(is_port);
            }
            None => return false,
        },
        None => match host.split_once(':') {
            Some((name, port)) if is_port(port) => name,
            Some(_) => return false,
            None => host,
        },
    };
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || name
            .parse::<std::net::Ipv4Addr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Whether a request on loopback comes from this machine's own programs and pages.
///
/// # Errors
/// The Host is missing or no loopback name, or the Origin is another.
pub fn check(host: Option<&str>, origin: Option<&str>) -> Result<(), Foreign> {
    let host = host.ok_or(Foreign::NoHost)?;
    if !is_loopback_host(host) {
        return Err(Foreign::Host(printable(host)));
    }
    let Some(origin) = origin else {
        return Ok(());
    };
    let from = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"));
    match from {
        Some(from) if is_loopback_host(from) => Ok(()),
        _ => Err(Foreign::Origin(printable(origin))),
    }
}

fn is_ipv6(text: &str) -> bool {
    text.parse::<Ipv6Addr>()
        .is_ok_and(|address| is_loopback(address.into()))
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_names_are_told_from_others() {
        for (host, wanted) in [
            ("localhost", true),
            ("LocalHost:8080", true),
            ("city.localhost:1", true),
            ("localhost.", true),
            ("127.0.0.1", true),
            ("127.8.9.1:8080", true),
            ("[::1]", true),
            ("[::1]:8080", true),
            ("[::ffff:127.0.0.1]:80", true),
            ("", false),
            ("localhost:", false),
            ("localhost:80:90", false),
            ("::1", false),
            ("[::1]x", false),
            ("[::2]", false),
            ("localhost.evil.com", false),
            ("notlocalhost", false),
            ("127.0.0.1.evil.com", false),
            ("2130706433", false),
            ("0.0.0.0", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(is_loopback_host(host), wanted, "{host}");
        }
    }

    #[test]
    fn pages_of_other_origins_are_kept_out() {
        for (host, origin, wanted) in [
            (Some("localhost:8080"), None, ""),
            (Some("localhost:8080"), Some("http://localhost:8080"), ""),
            (Some("127.0.0.1:8081"), Some("http://localhost:8080"), ""),
            (None, None, "the request names no host"),
            (
                Some("evil.com"),
                None,
                "the host \"evil.com\" is not a name of this machine's loopback address",
            ),
            (
                Some("localhost"),
                Some("http://evil.com"),
                "a page of \"http://evil.com\" may not use this server",
            ),
            (
                Some("localhost"),
                Some("null"),
                "a page of \"null\" may not use this server",
            ),
            (
                Some("localhost"),
                Some("file://localhost"),
                "a page of \"file://localhost\" may not use this server",
            ),
        ] {
            let found = check(host, origin)
                .map_err(|foreign| foreign.to_string())
                .err()
                .unwrap_or_default();
            assert_eq!(found, wanted, "{host:?} {origin:?}");
        }
    }

    #[test]
    fn addresses_beyond_loopback_are_recognised() {
        for (address, wanted) in [
            ("127.0.0.1", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("0.0.0.0", false),
            ("::", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(address.parse().map(is_loopback), Ok(wanted), "{address}");
        }
    }
}
