//! `POST /query`: questions about twins and relationships, a page at a time. An answer sees every write
//! that was answered before.

use super::{paging, refusal::Refusal, relationships};
use crate::{
    App,
    extract::{self, BODY_BYTES},
    problem::Problem,
};
use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderName, HeaderValue},
    response::{IntoResponse, Response},
    routing::post,
};
use gemelli_engine::{TwinRef, View};
use gemelli_event::record::Edge;
use gemelli_model::Value;
use gemelli_query::{Error, Limits, Page, Query, Render, Token, plan, run};
use serde_json::json;
use std::time::{Duration, Instant};

/// Longest time that a page may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The routes.
pub fn routes() -> Router<App> {
    Router::new().route("/query", post(answer))
}

/// Twins and relationships as this data plane shows them.
struct Shown<'a>(&'a View);

impl Render for Shown<'_> {
    fn twin(&self, twin: &TwinRef) -> Value {
        twin.to_adt()
    }

    fn relationship(&self, edge: &Edge) -> Value {
        let source = self.0.twin(edge.source.as_str());
        let etag = source.and_then(|source| source.relationship_etag(&edge.id));
        Value::from(&relationships::show(edge, &etag.unwrap_or_default()))
    }
}

async fn answer(State(app): State<App>, request: Request) -> Result<Response, Refusal> {
    let size = paging::size(request.headers());
    let bytes = extract::body(request, BODY_BYTES).await?;
    let body: Value = extract::json(&bytes)?;
    let text = |name: &str| {
        let text = body.get(name).and_then(Value::as_str);
        text.map(str::to_owned)
    };
    let token = text("continuationToken").filter(|token| !token.is_empty());
    let token: Option<Token> = match token.map(|token| token.parse()) {
        None => None,
        Some(Ok(token)) => Some(token),
        Some(Err(why)) => return Err(refused(why).into()),
    };
    // Clients repeat the query beside the token, or leave it out: the token knows it.
    let query = text("query").or_else(|| token.as_ref().map(|t| t.query().to_owned()));
    let Some(query) = query else {
        return Err(Refusal::argument(
            "the body has neither `query` nor `continuationToken`",
            "send {\"query\": \"SELECT * FROM DIGITALTWINS\"}",
        ));
    };
    let view = app.node.view();
    let answering = move || page(&view, &query, token.as_ref(), size);
    let page = tokio::task::spawn_blocking(answering)
        .await
        .map_err(|_| Problem::new("internal", "the query stopped half way", "report this"))?;
    let page = page.map_err(refused)?;
    let next = page.next.map(|token| token.to_string());
    let body = json!({ "value": page.rows, "continuationToken": next });
    let mut response = Json(body).into_response();
    response.headers_mut().insert(
        HeaderName::from_static("query-charge"),
        HeaderValue::from(page.charge),
    );
    Ok(response)
}

fn page(view: &View, text: &str, token: Option<&Token>, size: usize) -> Result<Page, Error> {
    let query = Query::parse(text)?;
    let until = Instant::now() + PATIENCE;
    let expired = || Instant::now() >= until;
    let limits = Limits {
        page: size,
        expired: &expired,
        ..Limits::default()
    };
    run(&plan(&query, view), view, &limits, &Shown(view), token)
}

fn refused(error: Error) -> Problem {
    let problem = Problem::new(error.kind.code(), error.message, error.remedy);
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    match error.position {
        Some(at) => problem.placed(String::new(), number(at.line), number(at.column)),
        None => problem,
    }
}
