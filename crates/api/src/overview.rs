//! `/v1/overview`: what the overview page shows, once or twice a second.
//!
//! Everything comes from the view and from counters; nothing is kept. The picture is made once per
//! tick for all readers, however many there are.

use crate::{
    App,
    problem::Problem,
    stream::{self, Permit},
    v1,
};
use axum::{Json, Router, extract::State, response::Response, routing::get};
use bytes::Bytes;
use futures_util::stream as streams;
use gemelli_engine::View;
use gemelli_model::{InterfaceId, Value};
use serde_json::{Value as Json_, json};
use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// How often the picture changes.
const TICK: Duration = Duration::from_millis(500);
/// Seconds of the rate's curve.
const SECONDS: usize = 60;
/// Most places of the air-quality card.
const PLACES: usize = 60;
/// Dead letters on the page.
const LETTERS: usize = 5;

/// The derived property that holds an air-quality index, and the one with its word.
const INDEX: &str = "airQualityIndex";
const LEVEL: &str = "airQualityLevel";

/// The routes.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/v1/overview", get(once))
        .route("/v1/overview/stream", get(live))
}

/// The last picture and when it was made.
#[derive(Default)]
pub struct Picture(Mutex<Option<(Instant, Arc<str>)>>);

impl Picture {
    /// The picture of now, at most a tick old.
    fn get(&self, app: &App) -> Arc<str> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((made, text)) = &*last
            && made.elapsed() < TICK / 2
        {
            return text.clone();
        }
        let text: Arc<str> = picture(app).to_string().into();
        *last = Some((Instant::now(), text.clone()));
        text
    }
}

async fn once(State(app): State<App>) -> Json<Json_> {
    Json(picture(&app))
}

async fn live(State(app): State<App>) -> Result<Response, Problem> {
    let Some(permit) = Permit::take(&app.node) else {
        return Err(Problem::new(
            "backlog-full",
            "too many streams are open",
            "close some, or try again later",
        ));
    };
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let reader = Reader {
        stopping: app.node.stopping(),
        app,
        tick,
        _permit: permit,
    };
    Ok(stream::response(streams::unfold(
        reader,
        |mut reader| async move {
            let text = reader.next().await?;
            Some((Ok::<_, Infallible>(text), reader))
        },
    )))
}

/// Somebody who looks at the page.
struct Reader {
    app: App,
    tick: tokio::time::Interval,
    stopping: watch::Receiver<bool>,
    _permit: Permit,
}

impl Reader {
    async fn next(&mut self) -> Option<Bytes> {
        tokio::select! {
            _ = self.tick.tick() => {}
            _ = self.stopping.wait_for(|stopping| *stopping) => return None,
        }
        let picture = self.app.picture().get(&self.app);
        Some(format!("data: {picture}\n\n").into())
    }
}

fn picture(app: &App) -> Json_ {
    let node = &app.node;
    let published = node.published();
    let view = &published.view;
    let (per_second, total) = node.rate().last(SECONDS, node.now_ms());
    let mut kinds: Vec<_> = view
        .per_interface()
        .into_iter()
        .filter(|(_, twins)| *twins > 0)
        .collect();
    kinds.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let kinds: Vec<_> = kinds
        .iter()
        .map(|(id, twins)| json!({ "interface": id.as_str(), "twins": twins }))
        .collect();
    let life: Vec<_> = view
        .lifecycle()
        .into_iter()
        .filter(|(_, twins)| *twins > 0)
        .map(|(state, twins)| json!({ "state": state.as_str(), "twins": twins }))
        .collect();
    let letters: Vec<_> = node.letters(LETTERS, None).iter().map(v1::letter).collect();
    let broker = node.broker();
    json!({
        "node": { "version": format!("gemelli {}", node.version()), "id": node.id(), "data": node.data().display().to_string() },
        "health": v1::health_json(node),
        "events": { "perSecond": per_second, "total": total },
        "records": published.next_seq,
        "twins": { "count": view.count(), "perInterface": kinds, "lifecycle": life },
        "mqtt": { "connections": broker.connections_now, "sessions": broker.sessions_now },
        "deadLetters": { "total": node.letters_total(), "latest": letters },
        "airQuality": air_quality(view),
        "addresses": addresses(app),
        "next": next_steps(app),
    })
}

/// How many steps of roll-up an interface's air-quality index is away from its sensors; none if it has none.
fn steps(view: &View, interface: &str, most: usize) -> Option<usize> {
    let compiled = view.definitions().interface(interface)?;
    let (_, member) = compiled.resolved().member(INDEX)?;
    let derived = member.property()?.derived.as_ref()?;
    let below = derived
        .aggregate
        .as_ref()
        .and_then(|aggregate| aggregate.interface.as_ref());
    match below {
        Some(below) if most > 0 => steps(view, below.as_str(), most - 1).map(|steps| steps + 1),
        _ => Some(0),
    }
}

/// The places of the model that have an air-quality index over others, worst first; empty for any other
/// model. Neighbourhoods are two steps above their sensors: poles stand between.
fn air_quality(view: &View) -> Vec<Json_> {
    let kinds = view.per_interface();
    let steps = |id: &InterfaceId| steps(view, id.as_str(), 4);
    let places = kinds
        .iter()
        .filter(|(_, twins)| **twins > 0)
        .filter_map(|(id, _)| Some((id, steps(id)?)));
    let nearest = places
        .filter(|(_, steps)| *steps > 0)
        .min_by_key(|(_, steps)| steps.abs_diff(2));
    let Some((kind, _)) = nearest else {
        return Vec::new();
    };
    let mut found: Vec<_> = view
        .twins()
        .filter(|twin| twin.interface() == kind)
        .map(|twin| {
            let index = twin.get(INDEX).and_then(Value::as_f64);
            let level = twin.get(LEVEL).and_then(|l| l.as_str().map(str::to_owned));
            let name = twin.get("name").and_then(|n| n.as_str().map(str::to_owned));
            (index, level, name.unwrap_or_else(|| twin.id().to_string()))
        })
        .collect();
    found.sort_by(|a, b| {
        b.0.unwrap_or(-1.0)
            .total_cmp(&a.0.unwrap_or(-1.0))
            .then_with(|| a.2.cmp(&b.2))
    });
    found.truncate(PLACES);
    found
        .into_iter()
        .map(|(index, level, name)| json!({ "name": name, "index": index, "category": level }))
        .collect()
}

fn addresses(app: &App) -> Vec<Json_> {
    let named = |name: &str, address: String| json!({ "name": name, "address": address });
    let http = app.http().iter().map(|url| named("HTTP", url.clone()));
    let mqtt = app
        .node
        .mqtt()
        .iter()
        .map(|address| named("MQTT", address.to_string()));
    http.chain(mqtt).collect()
}

/// What somebody with an empty server may want to try.
fn next_steps(app: &App) -> Vec<String> {
    let http = app.http().first().cloned().unwrap_or_default();
    vec![
        "gemelli apply -f examples/room".to_owned(),
        "gemelli get twins".to_owned(),
        "gemelli watch".to_owned(),
        format!("# another shell or machine: --server {http}"),
    ]
}
