//! Refusals in the envelope of this data plane.

use crate::problem::Problem;
use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value as Json_, json};

/// A refusal.
pub struct Refusal {
    problem: Problem,
    /// The service's own code and status.
    code: &'static str,
    status: StatusCode,
    /// A problem document alone, as the service answers to a patch that is none.
    plain: bool,
}

impl Refusal {
    /// With another of the service's codes than the one that goes with the problem's.
    pub fn coded(problem: Problem, code: &'static str, status: StatusCode) -> Self {
        Self {
            problem,
            code,
            status,
            plain: false,
        }
    }

    /// A header or a parameter that cannot be used.
    pub fn argument(detail: impl Into<String>, remedy: &str) -> Self {
        let problem = Problem::new("wrong-type", detail, remedy);
        Self::coded(problem, "InvalidArgument", StatusCode::BAD_REQUEST)
    }

    /// As a problem document, without the envelope.
    pub fn plain(problem: Problem) -> Self {
        Self {
            plain: true,
            ..problem.into()
        }
    }

    /// With another of the service's codes, if the problem is of this one.
    pub fn renamed(self, ours: &str, code: &'static str, status: StatusCode) -> Self {
        match self.problem.code == ours {
            true => Self::coded(self.problem, code, status),
            false => self,
        }
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        let (code, status) = azure(&problem.code);
        Self {
            problem,
            code,
            status,
            plain: false,
        }
    }
}

fn azure(code: &str) -> (&'static str, StatusCode) {
    match code {
        "unknown-twin" => ("DigitalTwinNotFound", StatusCode::NOT_FOUND),
        "unknown-model" => ("ModelNotFound", StatusCode::NOT_FOUND),
        "retired-interface" => ("ModelDecommissioned", StatusCode::BAD_REQUEST),
        "invalid-model" | "incomplete-model" | "inheritance-cycle" => {
            ("DTDLParserError", StatusCode::BAD_REQUEST)
        }
        "in-use" => ("ModelReferencesNotDeleted", StatusCode::CONFLICT),
        "malformed-query" => ("SqlQueryError", StatusCode::BAD_REQUEST),
        "query-limit" => ("QueryLimitExceeded", StatusCode::BAD_REQUEST),
        "query-timeout" => ("TimeoutError", StatusCode::BAD_REQUEST),
        "malformed-token" => ("InvalidArgument", StatusCode::BAD_REQUEST),
        "unknown-component" => ("ComponentNotFound", StatusCode::NOT_FOUND),
        "no-relationship" | "not-found" => ("RelationshipNotFound", StatusCode::NOT_FOUND),
        "has-relationships" => ("RelationshipsNotDeleted", StatusCode::BAD_REQUEST),
        "precondition-failed" | "already-exists" => {
            ("PreconditionFailed", StatusCode::PRECONDITION_FAILED)
        }
        "malformed-json" | "malformed-id" => ("InvalidArgument", StatusCode::BAD_REQUEST),
        "malformed-patch" => ("JsonPatchInvalid", StatusCode::BAD_REQUEST),
        "limit-reached" => ("LimitExceeded", StatusCode::BAD_REQUEST),
        "too-large" => ("RequestBodyTooLarge", StatusCode::PAYLOAD_TOO_LARGE),
        "backlog-full" => ("QuotaReachedError", StatusCode::TOO_MANY_REQUESTS),
        "read-only" | "disk-full" | "log-stopped" => {
            ("ServiceUnavailable", StatusCode::SERVICE_UNAVAILABLE)
        }
        "unauthorized" => ("Unauthorized", StatusCode::UNAUTHORIZED),
        "forbidden" | "forbidden-host" => ("Forbidden", StatusCode::FORBIDDEN),
        "too-many-logins" => ("TooManyRequests", StatusCode::TOO_MANY_REQUESTS),
        "internal" => ("InternalServerError", StatusCode::INTERNAL_SERVER_ERROR),
        _ => ("ValidationFailed", StatusCode::BAD_REQUEST),
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self {
            problem,
            code,
            status,
            plain,
        } = self;
        if plain {
            return problem.into_response();
        }
        let retry_after = problem.retry_after();
        let message = match problem.remedy.as_str() {
            "" => problem.detail.clone(),
            remedy => format!("{}; {remedy}", problem.detail),
        };
        let details = problem.errors().iter().map(|fault| {
            let mut detail = json!({
                "code": azure(&fault.code).0,
                "message": format!("{}; {}", fault.detail, fault.remedy),
            });
            if let (Some(pointer), Json_::Object(members)) = (&fault.pointer, &mut detail) {
                members.insert("target".into(), pointer.as_str().into());
            }
            detail
        });
        let error = json!({
            "code": code,
            "message": message,
            "details": details.collect::<Vec<_>>(),
            "innererror": { "code": problem.code },
        });
        let mut body = serde_json::to_value(&problem).unwrap_or_default();
        if let Json_::Object(members) = &mut body {
            members.insert("status".into(), status.as_u16().into());
            members.insert("error".into(), error);
        }
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            HeaderName::from_static("x-ms-error-code"),
            HeaderValue::from_static(code),
        );
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if problem.code == "unauthorized" {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
