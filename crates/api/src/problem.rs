//! Problem documents (RFC 9457): every refusal says what, where, why and what to do.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use gemelli_engine::Rejection;
use gemelli_model::manifest;
use serde::Serialize;
use std::borrow::Cow;

/// A refusal.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Problem(Box<Document>);

/// A refusal, as it is sent.
#[derive(Clone, Debug, Serialize)]
struct Document {
    /// `/errors/<code>`.
    #[serde(rename = "type")]
    kind: String,
    title: String,
    status: u16,
    #[serde(flatten)]
    fault: Fault,
    /// Everything that is wrong, where that is known: the first is the problem itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Fault>,
    /// Seconds after which it is worth trying again.
    #[serde(skip)]
    retry_after: Option<u32>,
}

/// A manifest by kind and name.
#[derive(Clone, Debug, Serialize)]
pub struct Object {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// One thing that is wrong.
#[derive(Clone, Debug, Serialize)]
pub struct Fault {
    /// The stable code, kebab case.
    pub code: Cow<'static, str>,
    /// What is wrong here.
    pub detail: String,
    /// What to do.
    pub remedy: String,
    /// The manifest that `pointer` leads into.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<Object>,
    /// Where in what was sent: a JSON pointer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Column, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
}

impl Fault {
    /// What is wrong, and what to do, without a place.
    pub fn new(code: impl Into<Cow<'static, str>>, detail: String, remedy: String) -> Self {
        Self {
            code: code.into(),
            detail,
            remedy,
            object: None,
            pointer: None,
            line: None,
            column: None,
        }
    }
}

impl From<Rejection> for Fault {
    fn from(rejection: Rejection) -> Self {
        let (object, pointer) = match rejection.detail {
            Some(d) => (
                Some(Object {
                    kind: d.kind.into(),
                    name: d.name.to_string(),
                }),
                Some(d.pointer),
            ),
            None => (None, None),
        };
        let fault = Self::new(rejection.code, rejection.reason, rejection.remedy);
        Self {
            object,
            pointer,
            ..fault
        }
    }
}

/// The status that goes with a code.
fn status(code: &str) -> StatusCode {
    match code {
        "unauthorized" => StatusCode::UNAUTHORIZED,
        "forbidden-host" | "forbidden" => StatusCode::FORBIDDEN,
        "not-found" | "unknown-twin" | "unknown-component" | "unknown-kind" => {
            StatusCode::NOT_FOUND
        }
        "method-not-allowed" => StatusCode::METHOD_NOT_ALLOWED,
        "already-exists" | "has-relationships" | "duplicate-id" | "in-use" | "twin-stopped" => {
            StatusCode::CONFLICT
        }
        "precondition-failed" => StatusCode::PRECONDITION_FAILED,
        "too-large" => StatusCode::PAYLOAD_TOO_LARGE,
        "unsupported-media-type" => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "wrong-type"
        | "unknown-command"
        | "unknown-interface"
        | "unknown-field"
        | "missing-field"
        | "malformed-expression"
        | "derived-cycle"
        | "no-relationship"
        | "limit-reached" => StatusCode::UNPROCESSABLE_ENTITY,
        "backlog-full" | "too-many-logins" => StatusCode::TOO_MANY_REQUESTS,
        "not-kept" => StatusCode::GONE,
        "read-only" | "disk-full" | "log-stopped" => StatusCode::SERVICE_UNAVAILABLE,
        "internal" | "disk-failed" | "io-failed" | "damaged-history" => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        _ => StatusCode::BAD_REQUEST,
    }
}

impl Problem {
    /// A refusal by code, with what is wrong and what to do.
    pub fn new(code: &str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::of(Fault::new(code.to_owned(), detail.into(), remedy.into()))
    }

    fn of(fault: Fault) -> Self {
        let code = &*fault.code;
        let retry_after = match code {
            "backlog-full" => Some(1),
            "disk-full" => Some(10),
            "too-many-logins" => Some(60),
            "read-only" => Some(30),
            _ => None,
        };
        Self(Box::new(Document {
            kind: format!("/errors/{code}"),
            title: code.replace('-', " "),
            status: status(code).as_u16(),
            fault,
            errors: Vec::new(),
            retry_after,
        }))
    }

    /// There is nothing of that name.
    pub fn not_found(what: &str, name: &str) -> Self {
        Self::new(
            "not-found",
            format!("there is no {what} `{name}`"),
            format!("list what there is: gemelli get {what}s"),
        )
    }

    /// What was sent is not JSON, and where.
    pub fn malformed_json(error: &serde_json::Error) -> Self {
        let number = |n: usize| u32::try_from(n).unwrap_or(0);
        let detail = format!("the body is not the JSON that is expected: {error}");
        let problem = Self::new(
            "malformed-json",
            detail,
            "correct the body at the place named",
        );
        problem.placed(String::new(), number(error.line()), number(error.column()))
    }

    /// All that is wrong with manifests; none if nothing is.
    pub fn of_faults(faults: Vec<Fault>) -> Option<Self> {
        let mut problem = Self::of(faults.first()?.clone());
        problem.0.errors = faults;
        Some(problem)
    }

    /// With the places of its faults in the text that was sent.
    pub fn located(mut self, text: &[u8]) -> Self {
        if self.object.is_none() {
            return self;
        }
        let Ok(text) = std::str::from_utf8(text) else {
            return self;
        };
        let parsed = manifest::parse(text);
        let number = |n: u32| usize::try_from(n).ok().filter(|n| *n > 0);
        for fault in &mut self.0.errors {
            let (Some(object), Some(pointer)) = (&fault.object, &fault.pointer) else {
                continue;
            };
            let mut objects = parsed.manifests.iter().zip(&parsed.places);
            let meant =
                objects.find(|(m, _)| m.kind.as_str() == object.kind && *m.name == *object.name);
            if let Some(place) = meant.and_then(|(_, at)| manifest::place_of(text, *at, pointer)) {
                (fault.line, fault.column) = (number(place.line), number(place.column));
            }
        }
        let Document { fault, errors, .. } = &mut *self.0;
        let first = errors.first().map(|first| (first.line, first.column));
        (fault.line, fault.column) = first.unwrap_or_default();
        self
    }

    /// As something that was looked for and is not there.
    pub fn missing(mut self) -> Self {
        self.0.status = StatusCode::NOT_FOUND.as_u16();
        self
    }

    /// Points into what was sent.
    pub fn at(mut self, pointer: impl Into<String>) -> Self {
        self.0.fault.pointer = Some(pointer.into());
        self
    }

    /// Points into a text: pointer, line and column, each if it is known.
    pub fn placed(mut self, pointer: String, line: u32, column: u32) -> Self {
        let known = |n: u32| usize::try_from(n).ok().filter(|n| *n > 0);
        let fault = &mut self.0.fault;
        fault.pointer = Some(pointer).filter(|p| !p.is_empty());
        (fault.line, fault.column) = (known(line), known(column));
        self
    }

    /// As an answer, with one more member.
    pub fn with(self, name: &str, value: serde_json::Value) -> Response {
        self.with_all([(name, value)])
    }

    /// As an answer, with more members.
    pub fn with_all<const N: usize>(self, more: [(&str, serde_json::Value); N]) -> Response {
        let mut body = serde_json::to_value(&self).unwrap_or_default();
        if let serde_json::Value::Object(members) = &mut body {
            members.extend(more.map(|(name, value)| (name.into(), value)));
        }
        let mut response = self.into_response();
        response.headers_mut().remove(header::CONTENT_LENGTH);
        *response.body_mut() = body.to_string().into();
        response
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::BAD_REQUEST)
    }

    /// Everything that is wrong, where that is known: the first is the problem itself.
    pub fn errors(&self) -> &[Fault] {
        &self.0.errors
    }

    /// Seconds after which it is worth trying again.
    pub fn retry_after(&self) -> Option<u32> {
        self.0.retry_after
    }
}

impl std::ops::Deref for Problem {
    type Target = Fault;

    fn deref(&self) -> &Fault {
        &self.0.fault
    }
}

impl From<Rejection> for Problem {
    fn from(mut rejection: Rejection) -> Self {
        let Some(detail) = &mut rejection.detail else {
            return Self::new(rejection.code, rejection.reason, rejection.remedy);
        };
        let others = std::mem::take(&mut detail.others);
        let faults = std::iter::once(rejection).chain(others).map(Fault::from);
        Self::of_faults(faults.collect())
            .unwrap_or_else(|| Self::new("internal", "a refusal got lost", "report this"))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (self.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.code == "unauthorized" {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_says_when_to_come_back() {
        let response = Problem::new("backlog-full", "full", "wait").into_response();
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        assert_eq!(
            response.headers()[header::CONTENT_TYPE],
            "application/problem+json"
        );
    }

    #[test]
    fn malformed_json_names_line_and_column() {
        let Err(error) = serde_json::from_str::<serde_json::Value>("{\n  x}") else {
            return;
        };
        let problem = Problem::malformed_json(&error);
        assert_eq!((problem.line, problem.column), (Some(2), Some(3)));
    }
}
