//! What the server answers, as types. Members that a newer server adds are kept where an object is
//! shown whole, and ignored elsewhere.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// Version, addresses and data folder of a server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// Random identity of the data folder.
    #[serde(alias = "nodeId")]
    pub node: String,
    /// The data folder.
    #[serde(alias = "dataFolder")]
    pub data: String,
    /// Whatever else it says: uptime, addresses, counts.
    #[serde(flatten)]
    pub more: Map<String, Json>,
}

/// A twin with lifecycle, derived properties and edges.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Twin {
    /// Its id.
    #[serde(alias = "$dtId")]
    pub id: String,
    /// Its interface.
    pub interface: String,
    /// `unbound`, `bound`, `synchronized`, `out-of-sync` or `stopped`.
    pub lifecycle: String,
    /// Reported and derived properties.
    pub properties: Map<String, Json>,
    /// Whatever else it says: times, edges, version.
    #[serde(flatten)]
    pub more: Map<String, Json>,
}

/// Which twins a list holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TwinFilter {
    /// Only of this interface.
    pub interface: Option<String>,
    /// Twins per page.
    pub limit: Option<usize>,
}

impl TwinFilter {
    pub(crate) fn query(&self) -> Vec<(&'static str, String)> {
        let interface = self
            .interface
            .iter()
            .map(|name| ("interface", name.clone()));
        interface
            .chain(self.limit.iter().map(|n| ("limit", n.to_string())))
            .collect()
    }
}

/// A span of a twin's history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Not before: RFC 3339.
    pub from: Option<String>,
    /// Before: RFC 3339.
    pub to: Option<String>,
    /// Entries per page.
    pub limit: Option<usize>,
    /// Only what follows this position of the log.
    pub after: Option<u64>,
}

impl Span {
    pub(crate) fn query(&self) -> Vec<(&'static str, String)> {
        let from = self.from.iter().map(|time| ("from", time.clone()));
        let to = self.to.iter().map(|time| ("to", time.clone()));
        from.chain(to)
            .chain(self.limit.iter().map(|n| ("limit", n.to_string())))
            .chain(self.after.iter().map(|n| ("after", n.to_string())))
            .collect()
    }
}

/// One entry of a twin's history.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Entry {
    /// Its place in the log.
    pub seq: u64,
    /// When it was accepted, RFC 3339.
    pub accepted: Json,
    /// The device's time.
    #[serde(skip_serializing_if = "Json::is_null")]
    pub time: Json,
    /// `real`, `virtual`, `command`, `store` or `derived`.
    #[serde(alias = "kind")]
    pub category: String,
    /// The event's id.
    #[serde(skip_serializing_if = "Option::is_none", alias = "eventId")]
    pub id: Option<String>,
    /// What it carried.
    #[serde(alias = "payload", alias = "values")]
    pub data: Json,
    /// Whatever else it says.
    #[serde(flatten)]
    pub more: Map<String, Json>,
}

/// Input that could not be used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DeadLetter {
    /// Its place in the log.
    pub seq: u64,
    /// When it came, RFC 3339.
    pub accepted: Json,
    /// The error's code.
    pub code: String,
    /// What is wrong, where, and what to do.
    pub reason: String,
    /// A topic, a path.
    pub origin: String,
    /// Whatever else it says.
    #[serde(flatten)]
    pub more: Map<String, Json>,
}

/// What `apply` did.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Applied {
    /// One for each manifest, in their order.
    #[serde(alias = "items", alias = "results")]
    pub objects: Vec<Outcome>,
}

/// What became of one manifest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Outcome {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// `created`, `configured`, `unchanged` or `error`.
    #[serde(alias = "outcome", alias = "status")]
    pub result: String,
    /// Why not: the code, of an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Why not, of an error.
    #[serde(skip_serializing_if = "Option::is_none", alias = "reason")]
    pub detail: Option<String>,
    /// What to do, of an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// Where in the manifest, of an error: a JSON pointer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
}
