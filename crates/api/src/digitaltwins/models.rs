//! `/models`: models, which are interfaces made of DTDL documents.
//!
//! An upload takes effect as a whole or not at all, whatever the order of its documents; what they
//! refer to may be among them or be there already.

use super::{
    ask::{self, Parameters},
    paging,
    refusal::Refusal,
};
use crate::{
    App,
    extract::{self, APPLY_BYTES, BODY_BYTES, Segments},
    problem::{Fault, Problem},
};
use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    routing::get,
};
use gemelli_engine::{Compiled, Definitions};
use gemelli_event::record::Command;
use gemelli_model::{
    Interface, Value,
    convert::{self, Refused},
    dtdl::{Options, Source},
    manifest::{self, Manifest},
    time,
};
use serde_json::{Value as Json_, json};
use std::{collections::BTreeSet, sync::Arc};

/// The routes.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/models", get(list).post(upload))
        .route("/models/{id}", get(read).patch(patch).delete(delete))
}

/// The model of exactly this id, unless it was deleted.
fn known<'a>(definitions: &'a Definitions, id: &str) -> Result<&'a Arc<Compiled>, Problem> {
    let found = definitions.interface(id).filter(|c| c.id().as_str() == id);
    let found = found.filter(|c| !definitions.status(c.id()).withdrawn);
    found.ok_or_else(|| {
        let detail = format!("there is no model `{id}`");
        Problem::new("unknown-model", detail, "list them: GET /models")
    })
}

/// A model as it is shown, with its document or without.
fn show(definitions: &Definitions, interface: &Compiled, whole: bool) -> Json_ {
    let status = definitions.status(interface.id());
    let source = interface.source();
    let uploaded = time::format_ms(status.uploaded_ms);
    let mut shown = json!({
        "id": interface.id().as_str(),
        "displayName": texts(source, "displayName", source.display_name.as_deref()),
        "description": texts(source, "description", source.description.as_deref()),
        "uploadTime": uploaded,
        "decommissioned": status.retired,
    });
    if let (true, Json_::Object(members)) = (whole, &mut shown) {
        let document = serde_json::to_value(document(source)).unwrap_or_default();
        members.insert("model".into(), document);
    }
    shown
}

/// Texts by language: those of the document, or the one that the interface has.
fn texts(source: &Interface, member: &str, own: Option<&str>) -> Json_ {
    let written = source.dtdl.as_ref().and_then(|d| d.get(member));
    match (written, own) {
        (Some(Value::Object(_)), _) => serde_json::to_value(written).unwrap_or_default(),
        (Some(Value::Text(text)), _) => json!({ "en": &**text }),
        (_, Some(text)) => json!({ "en": text }),
        _ => json!({}),
    }
}

/// The document of an interface; for one that has none, a document that names it.
fn document(source: &Interface) -> Value {
    let bare = || {
        let fields = [
            ("@context", "dtmi:dtdl:context;3"),
            ("@id", source.id.as_str()),
            ("@type", "Interface"),
        ];
        Value::Object(
            fields
                .into_iter()
                .map(|(name, text)| (Arc::from(name), Value::text(text)))
                .collect(),
        )
    };
    source.dtdl.clone().unwrap_or_else(bare)
}

/// What a model is made of: what it extends and the interfaces of its components.
fn needs(interface: &Compiled) -> impl Iterator<Item = &str> {
    let source = interface.source();
    let extended = source.extends.iter().map(|id| id.as_str());
    extended.chain(source.components.iter().map(|c| c.interface.as_str()))
}

/// The models that are made of this one and fulfil `which`.
fn dependents(
    definitions: &Definitions,
    id: &str,
    which: impl Fn(&gemelli_engine::Status) -> bool,
) -> Vec<String> {
    definitions
        .interfaces()
        .filter(|other| {
            let status = definitions.status(other.id());
            other.id().as_str() != id && !status.withdrawn && which(&status)
        })
        .filter(|other| needs(other).any(|needed| needed == id))
        .map(|other| other.id().to_string())
        .collect()
}

async fn upload(
    State(app): State<App>,
    request: Request,
) -> Result<(StatusCode, Json<Json_>), Refusal> {
    let bytes = extract::body(request, APPLY_BYTES).await?;
    let documents: Value = match &*bytes {
        [] => Value::Array([].into()),
        bytes => extract::json(bytes)?,
    };
    let Value::Array(documents) = documents else {
        let detail = format!(
            "the body is a JSON {}, not a list of models",
            documents.kind()
        );
        return Err(Refusal::argument(detail, "send a list of DTDL Interfaces"));
    };
    if documents.is_empty() {
        return Ok((StatusCode::CREATED, Json(json!([]))));
    }
    let definitions = app.node.view().definitions().clone();
    let reading = tokio::task::spawn_blocking(move || read_all(&documents, &definitions)).await;
    let interfaces = reading
        .map_err(|_| Problem::new("internal", "the reader of models stopped", "report this"))??;
    let ids: Vec<_> = interfaces.iter().map(|i| i.id.clone()).collect();
    let manifests = interfaces
        .into_iter()
        .map(|interface| manifest::to_value(&Manifest::of_interface(interface)));
    let command = Command::Apply {
        manifests: manifests.collect(),
    };
    let done = app.command(command).await.map_err(Refusal::from);
    done.map_err(|r| {
        r.renamed(
            "unknown-interface",
            "DTDLParserError",
            StatusCode::BAD_REQUEST,
        )
    })?;
    let view = app.node.view();
    let definitions = view.definitions();
    let made = ids
        .iter()
        .filter_map(|id| definitions.interface(id.as_str()));
    let made: Vec<_> = made.map(|made| show(definitions, made, false)).collect();
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// The interfaces of the documents, all new.
fn read_all(documents: &[Value], definitions: &Definitions) -> Result<Vec<Interface>, Refusal> {
    let sources: Vec<_> = documents
        .iter()
        .enumerate()
        .map(|(at, document)| Source {
            name: format!("models[{at}]"),
            text: document.to_string(),
        })
        .collect();
    let mut there = |missing: &[Arc<str>]| {
        let found = missing.iter().filter_map(|id| known(definitions, id).ok());
        let found: Vec<_> = found
            .map(|interface| Source {
                name: interface.id().to_string(),
                text: document(interface.source()).to_string(),
            })
            .collect();
        (!found.is_empty()).then_some(found)
    };
    let read = convert::read(&sources, &Options::default(), &mut there).map_err(refused)?;
    let twice: Vec<_> = read
        .interfaces
        .iter()
        .filter(|i| known(definitions, i.id.as_str()).is_ok())
        .map(|i| i.id.to_string())
        .collect();
    if !twice.is_empty() {
        let detail = format!("there is a model already: {}", twice.join(", "));
        let remedy = "give the new one another version, or delete the old one first";
        let problem = Problem::new("already-exists", detail, remedy);
        return Err(Refusal::coded(
            problem,
            "ModelAlreadyExists",
            StatusCode::CONFLICT,
        ));
    }
    Ok(read.interfaces)
}

/// Documents that cannot be used, with one entry for each fault.
fn refused(refused: Refused) -> Problem {
    const REMEDY: &str = "check them with gemelli model check";
    let fault = |code: &'static str, detail: String, pointer: String| Fault {
        code: code.into(),
        detail,
        remedy: REMEDY.into(),
        object: None,
        pointer: Some(pointer),
        line: None,
        column: None,
    };
    let problem = match &refused {
        Refused::Invalid(faults) => Problem::of_faults(
            faults
                .iter()
                .map(|f| fault("invalid-model", f.to_string(), format!("/{}", f.source)))
                .collect(),
        ),
        Refused::Incomplete(ids) => Problem::of_faults(
            ids.iter()
                .map(|id| {
                    fault(
                        "incomplete-model",
                        format!("{id} is not defined"),
                        String::new(),
                    )
                })
                .collect(),
        ),
        _ => None,
    };
    problem.unwrap_or_else(|| Problem::new("invalid-model", refused.to_string(), REMEDY))
}

async fn list(
    State(app): State<App>,
    asked: Parameters,
    headers: HeaderMap,
) -> Result<Json<Json_>, Refusal> {
    let view = app.node.view();
    let definitions = view.definitions();
    let whole = asked.last("includeModelDefinition") == Some("true");
    let wanted: BTreeSet<&str> = asked.all("dependenciesFor").collect();
    let only = match wanted.is_empty() {
        true => None,
        false => Some(closure(definitions, &wanted)?),
    };
    let after = paging::after(&asked);
    let models = definitions.interfaces().filter(|interface| {
        let id = interface.id().as_str();
        !definitions.status(interface.id()).withdrawn
            && after.is_none_or(|after| id > after)
            && only.as_ref().is_none_or(|only| only.contains(id))
    });
    let mut kept: Vec<_> = wanted.iter().map(|id| ("dependenciesFor", *id)).collect();
    if whole {
        kept.push(("includeModelDefinition", "true"));
    }
    Ok(Json(paging::page(
        models,
        &headers,
        ("/models", &kept),
        |interface| interface.id().to_string(),
        |interface| show(definitions, interface, whole),
    )))
}

/// Models with all that they are made of.
fn closure(definitions: &Definitions, of: &BTreeSet<&str>) -> Result<BTreeSet<String>, Problem> {
    let mut found = BTreeSet::new();
    let mut next = Vec::new();
    for id in of {
        next.push(known(definitions, id)?);
    }
    while let Some(interface) = next.pop() {
        if found.insert(interface.id().to_string()) {
            next.extend(needs(interface).filter_map(|id| definitions.interface(id)));
        }
    }
    Ok(found)
}

async fn read(
    State(app): State<App>,
    Segments(id): Segments<String>,
    asked: Parameters,
) -> Result<Json<Json_>, Refusal> {
    let view = app.node.view();
    let definitions = view.definitions();
    let whole = asked.last("includeModelDefinition") == Some("true");
    Ok(Json(show(definitions, known(definitions, &id)?, whole)))
}

async fn patch(
    State(app): State<App>,
    Segments(id): Segments<String>,
    request: Request,
) -> Result<StatusCode, Refusal> {
    let bytes = extract::body(request, BODY_BYTES).await?;
    let patch = ask::patch(&bytes)?;
    let view = app.node.view();
    let definitions = view.definitions();
    let interface = known(definitions, &id)?.id().clone();
    let Some(retired) = decommissioned(&patch) else {
        let problem = Problem::new(
            "malformed-patch",
            format!("the patch of the model `{id}` is not about /decommissioned alone"),
            "send [{\"op\": \"replace\", \"path\": \"/decommissioned\", \"value\": true}]",
        );
        return Err(problem.into());
    };
    let users = dependents(definitions, &id, |status| !status.retired);
    if retired && !users.is_empty() {
        return Err(needed(&id, &users, "ModelReferencesNotDecommissioned"));
    }
    app.command(Command::Retire { interface, retired }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a patch says of `/decommissioned`, if it says nothing else.
fn decommissioned(patch: &Value) -> Option<bool> {
    let Value::Array(operations) = patch else {
        return None;
    };
    let said = operations.iter().map(|operation| {
        let text = |name| operation.get(name).and_then(Value::as_str);
        let about = matches!(text("op"), Some("add" | "replace"))
            && text("path") == Some("/decommissioned");
        operation
            .get("value")
            .and_then(Value::as_bool)
            .filter(|_| about)
    });
    said.collect::<Option<Vec<_>>>()?.pop()
}

fn needed(id: &str, users: &[String], code: &'static str) -> Refusal {
    let problem = Problem::new(
        "in-use",
        format!("the model `{id}` is part of {}", users.join(", ")),
        "begin with those",
    );
    Refusal::coded(problem, code, StatusCode::CONFLICT)
}

async fn delete(
    State(app): State<App>,
    Segments(id): Segments<String>,
) -> Result<StatusCode, Refusal> {
    let view = app.node.view();
    let definitions = view.definitions();
    let interface = known(definitions, &id)?.id().clone();
    let users = dependents(definitions, &id, |_| true);
    if !users.is_empty() {
        return Err(needed(&id, &users, "ModelReferencesNotDeleted"));
    }
    let command = match view.per_interface().contains_key(&interface) {
        true => Command::Withdraw { interface },
        false => Command::Remove {
            kind: "Interface".into(),
            name: interface.as_str().into(),
        },
    };
    app.command(command).await?;
    Ok(StatusCode::NO_CONTENT)
}
