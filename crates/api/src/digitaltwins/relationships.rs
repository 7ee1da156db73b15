//! `/digitaltwins/{id}/relationships` and `…/incomingrelationships`: edges.

use super::{
    ask::{self, Parameters},
    paging::{self, encode},
    refusal::Refusal,
    twins::{twin, with_etag},
};
use crate::{
    App,
    extract::{self, BODY_BYTES, Segments},
    problem::Problem,
};
use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use gemelli_engine::{EdgeRef, TwinRef};
use gemelli_event::record::{Command, Edge};
use gemelli_model::{TwinId, Value};
use serde_json::{Value as Json_, json};

/// The routes.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/digitaltwins/{id}/relationships", get(outgoing))
        .route("/digitaltwins/{id}/incomingrelationships", get(incoming))
        .route(
            "/digitaltwins/{id}/relationships/{rid}",
            get(read).put(put).patch(patch).delete(delete),
        )
}

/// An edge as this data plane shows it.
pub fn show(edge: &Edge, etag: &str) -> Json_ {
    let mut out = json!({
        "$relationshipId": &*edge.id,
        "$etag": etag,
        "$sourceId": edge.source.as_str(),
        "$targetId": edge.target.as_str(),
        "$relationshipName": &*edge.name,
    });
    if let (Json_::Object(members), Ok(Json_::Object(own))) =
        (&mut out, serde_json::to_value(&edge.properties))
    {
        members.extend(own);
    }
    out
}

fn known(twin: &TwinRef, rid: &str) -> Result<(Edge, String), Problem> {
    let known = twin.relationship(rid).zip(twin.relationship_etag(rid));
    known.ok_or_else(|| {
        let detail = format!("the twin `{}` has no relationship `{rid}`", twin.id());
        Problem::new(
            "no-relationship",
            detail,
            "list them: GET /digitaltwins/{id}/relationships",
        )
    })
}

async fn read(
    State(app): State<App>,
    Segments((id, rid)): Segments<(String, String)>,
) -> Result<Response, Refusal> {
    let (edge, etag) = known(&twin(&app, &id)?, &rid)?;
    Ok(with_etag(Json(show(&edge, &etag)).into_response(), &etag))
}

async fn put(
    State(app): State<App>,
    Segments((id, rid)): Segments<(String, String)>,
    request: Request,
) -> Result<Response, Refusal> {
    extract::id(&rid, "relationship's id")?;
    let only_new = ask::only_new(request.headers())?;
    let bytes = extract::body(request, BODY_BYTES).await?;
    let body = ask::object(extract::json(&bytes)?)?;
    let text = |name: &str| {
        let text = body.get(name).and_then(Value::as_str);
        text.map(str::to_owned).ok_or_else(|| {
            let detail = format!("the body has no text `{name}`");
            Problem::new("missing-field", detail, format!("add \"{name}\"")).at(format!("/{name}"))
        })
    };
    let (name, target) = (text("$relationshipName")?, text("$targetId")?);
    let source = twin(&app, &id)?;
    let to_itself = app.node.view().canonical(&target).as_ref() == Some(source.id());
    if to_itself {
        let problem = Problem::new(
            "wrong-type",
            format!("the relationship `{rid}` would lead from the twin `{id}` to itself"),
            "choose another target",
        );
        return Err(Refusal::coded(
            problem,
            "OperationNotAllowed",
            StatusCode::BAD_REQUEST,
        ));
    }
    let edge = Edge {
        id: rid.as_str().into(),
        name: name.into(),
        source: source.id().clone(),
        target: TwinId::new(target),
        properties: ask::plain(&body),
    };
    let done = app.command(Command::Relate { edge, only_new }).await;
    done.map_err(|problem| {
        let open_ended = app.node.view().twin(&id).is_some();
        let refusal = unfit(problem);
        match open_ended {
            true => refusal.renamed("unknown-twin", "TargetTwinNotFound", StatusCode::NOT_FOUND),
            false => refusal,
        }
    })?;
    let (edge, etag) = known(&twin(&app, &id)?, &rid)?;
    Ok(with_etag(Json(show(&edge, &etag)).into_response(), &etag))
}

/// An edge that its model does not have, or has no place for.
fn unfit(problem: Problem) -> Refusal {
    let whole = problem.errors().is_empty();
    let refusal = Refusal::from(problem);
    let bad = StatusCode::BAD_REQUEST;
    match whole {
        true => refusal
            .renamed("unknown-field", "InvalidRelationship", bad)
            .renamed("wrong-type", "InvalidRelationship", bad)
            .renamed("limit-reached", "InvalidRelationship", bad),
        // What has a place is one of its properties.
        false => refusal,
    }
}

async fn patch(
    State(app): State<App>,
    Segments((id, rid)): Segments<(String, String)>,
    request: Request,
) -> Result<Response, Refusal> {
    let if_match = ask::if_match(request.headers());
    let bytes = extract::body(request, BODY_BYTES).await?;
    let patch = ask::patch(&bytes)?;
    let command = Command::Amend {
        source: id.as_str().into(),
        id: rid.as_str().into(),
        patch,
        if_match,
    };
    app.command(command).await?;
    let etag = twin(&app, &id)?.relationship_etag(&rid);
    let done = StatusCode::NO_CONTENT.into_response();
    Ok(with_etag(done, &etag.unwrap_or_default()))
}

async fn delete(
    State(app): State<App>,
    Segments((id, rid)): Segments<(String, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, Refusal> {
    app.command(Command::Unrelate {
        source: id.as_str().into(),
        id: rid.as_str().into(),
        if_match: ask::if_match(&headers),
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn outgoing(
    State(app): State<App>,
    Segments(id): Segments<String>,
    asked: Parameters,
    headers: HeaderMap,
) -> Result<Json<Json_>, Refusal> {
    let twin = twin(&app, &id)?;
    let name = asked.last("relationshipName");
    let edges = twin
        .relationships_after(paging::after(&asked))
        .filter(|edge| name.is_none_or(|name| *edge.name == *name));
    let path = format!("/digitaltwins/{}/relationships", encode(&id));
    let kept: Vec<_> = name
        .map(|name| ("relationshipName", name))
        .into_iter()
        .collect();
    Ok(Json(paging::page(
        edges,
        &headers,
        (&path, &kept),
        |edge| edge.id.to_string(),
        |edge| show(&edge, &twin.relationship_etag(&edge.id).unwrap_or_default()),
    )))
}

async fn incoming(
    State(app): State<App>,
    Segments(id): Segments<String>,
    asked: Parameters,
    headers: HeaderMap,
) -> Result<Json<Json_>, Refusal> {
    let twin = twin(&app, &id)?;
    let after = match paging::after(&asked) {
        None => None,
        Some(token) => Some(token_read(token).ok_or_else(|| {
            Refusal::argument(
                format!("continuationToken `{token}` is none of this list"),
                "begin again without it",
            )
        })?),
    };
    let path = format!("/digitaltwins/{}/incomingrelationships", encode(&id));
    Ok(Json(paging::page(
        twin.incoming_after(after.as_ref()),
        &headers,
        (&path, &[]),
        |edge| json!([&*edge.name, edge.source.as_str(), &*edge.id]).to_string(),
        |edge| {
            let (source, rid) = (encode(edge.source.as_str()), encode(&edge.id));
            json!({
                "$relationshipId": &*edge.id,
                "$sourceId": edge.source.as_str(),
                "$relationshipName": &*edge.name,
                "$relationshipLink": format!("/digitaltwins/{source}/relationships/{rid}"),
            })
        },
    )))
}

fn token_read(token: &str) -> Option<EdgeRef> {
    let (name, source, id): (String, String, String) = serde_json::from_str(token).ok()?;
    Some(EdgeRef {
        id: id.into(),
        name: name.into(),
        source: TwinId::new(source),
    })
}
