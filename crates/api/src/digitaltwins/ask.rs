//! What the requests of this data plane have in common: preconditions, bodies, parameters.

use super::refusal::Refusal;
use crate::{extract, problem::Problem};
use axum::{extract::FromRequestParts, http::HeaderMap, http::request::Parts};
use gemelli_model::Value;
use std::sync::Arc;

/// The parameters of a query. Clients may repeat one: links they follow are added to what they asked
/// first.
pub struct Parameters(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let asked = extract::Asked::from_request_parts(parts, state).await?;
        Ok(Self(asked.0))
    }
}

impl Parameters {
    /// The last one of this name that is not empty: a link's comes after the caller's.
    pub fn last(&self, name: &str) -> Option<&str> {
        self.all(name).last()
    }

    /// All of this name, in their order.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let pairs = self.0.iter();
        pairs
            .filter(move |(n, v)| n.eq_ignore_ascii_case(name) && !v.is_empty())
            .map(|(_, value)| value.as_str())
    }
}

/// The ETag that has to match; `*` and none: any.
pub fn if_match(headers: &HeaderMap) -> Option<Arc<str>> {
    extract::text(headers, "if-match")
        .filter(|tag| *tag != "*")
        .map(Arc::from)
}

/// Whether only what is not there yet may be made: `If-None-Match: *`, the only one that there is.
pub fn only_new(headers: &HeaderMap) -> Result<bool, Refusal> {
    match extract::text(headers, "if-none-match") {
        None => Ok(false),
        Some("*") => Ok(true),
        Some(other) => Err(Refusal::argument(
            format!("If-None-Match is `{other}`"),
            "send If-None-Match: * or none",
        )),
    }
}

/// A JSON Patch. What is none gets a problem document instead of the envelope.
pub fn patch(bytes: &[u8]) -> Result<Value, Refusal> {
    let patch: Value = extract::json(bytes).map_err(Refusal::plain)?;
    let well = |operation: &Value| {
        let op = operation.get("op").and_then(Value::as_str);
        let path = operation.get("path").and_then(Value::as_str);
        matches!(op, Some("add" | "replace" | "remove" | "test"))
            && path.is_some_and(|path| path.is_empty() || path.starts_with('/'))
    };
    let fault = match &patch {
        Value::Array(operations) => operations.iter().position(|o| !well(o)),
        _ => {
            let detail = format!(
                "the body is a JSON {}, not a list of operations",
                patch.kind()
            );
            return Err(Refusal::plain(malformed(detail)));
        }
    };
    match fault {
        None => Ok(patch),
        Some(at) => {
            let detail =
                format!("operation {at} is not one of add, replace, remove, test with a path");
            Err(Refusal::plain(malformed(detail).at(format!("/{at}"))))
        }
    }
}

fn malformed(detail: String) -> Problem {
    let remedy = "send [{\"op\": \"replace\", \"path\": \"/member\", \"value\": 1}]";
    Problem::new("malformed-patch", detail, remedy)
}

/// An object.
pub fn object(body: Value) -> Result<Value, Problem> {
    match body {
        Value::Object(_) => Ok(body),
        other => Err(Problem::new(
            "wrong-type",
            format!("the body is a JSON {}, not an object", other.kind()),
            "send one object",
        )),
    }
}

/// The members of an object that are the user's own: what begins with `$` is the service's.
pub fn plain(body: &Value) -> Value {
    match body {
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .filter(|(name, _)| !name.starts_with('$'))
                .map(|(name, value)| (name.clone(), without_metadata(value)))
                .collect(),
        ),
        other => other.clone(),
    }
}

/// A value without the `$metadata` that components carry.
pub fn without_metadata(value: &Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .filter(|(name, _)| &**name != "$metadata")
                .map(|(name, value)| (name.clone(), without_metadata(value)))
                .collect(),
        ),
        other => other.clone(),
    }
}

/// A patch whose values are without the `$metadata` that components carry.
pub fn clean(patch: &Value) -> Value {
    let Value::Array(operations) = patch else {
        return patch.clone();
    };
    let clean = operations.iter().map(|operation| match operation {
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, value)| match &**name {
                    "value" => (name.clone(), without_metadata(value)),
                    _ => (name.clone(), value.clone()),
                })
                .collect(),
        ),
        other => other.clone(),
    });
    Value::Array(clean.collect())
}
