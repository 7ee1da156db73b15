//! `gemelli get`: lists objects of a kind.

use crate::{
    failure::{Exit, Failure},
    kind::Kind,
    output::{self, Column, Format, Sheet, cell, first},
    settings::Settings,
};
use clap_complete::ArgValueCandidates;
use gemelli_client::{Client, TwinFilter};
use gemelli_model::nearest;
use serde_json::{Value as Json, json};

/// List objects of a kind, or some of them by name
#[derive(Debug, clap::Args)]
pub struct Args {
    /// twins, interfaces, connections or deadletters
    #[arg(value_name = "KIND", add = ArgValueCandidates::new(super::completion::kinds))]
    kind: String,
    /// Names; without one, all
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(super::completion::twins))]
    names: Vec<String>,
    /// Only twins of this interface
    #[arg(long, value_name = "INTERFACE")]
    interface: Option<String>,
    /// At most so many
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,
}

/// Where a twin says when it last changed.
pub const UPDATED: &[&str] = &["/lastUpdateTime", "/updated", "/$metadata/$lastUpdateTime"];

/// Twins.
pub const TWINS: Sheet = Sheet {
    kind: "twin",
    name: |item| cell(item, "/id"),
    columns: &[
        Column {
            heading: "NAME",
            wide: false,
            cell: |item| cell(item, "/id"),
        },
        Column {
            heading: "INTERFACE",
            wide: false,
            cell: |item| cell(item, "/interface"),
        },
        Column {
            heading: "LIFECYCLE",
            wide: false,
            cell: |item| cell(item, "/lifecycle"),
        },
        Column {
            heading: "UPDATED",
            wide: false,
            cell: |item| first(item, UPDATED),
        },
        Column {
            heading: "ENTANGLEMENT",
            wide: true,
            cell: |item| cell(item, "/entanglement"),
        },
        Column {
            heading: "PROPERTIES",
            wide: true,
            cell: brief,
        },
    ],
};

const INTERFACES: Sheet = Sheet {
    kind: "interface",
    name: |item| cell(item, "/metadata/name"),
    columns: &[
        Column {
            heading: "NAME",
            wide: false,
            cell: |item| cell(item, "/metadata/name"),
        },
        Column {
            heading: "PROPERTIES",
            wide: false,
            cell: |item| count(item, "/spec/properties"),
        },
        Column {
            heading: "TELEMETRY",
            wide: false,
            cell: |item| count(item, "/spec/telemetry"),
        },
        Column {
            heading: "RELATIONSHIPS",
            wide: false,
            cell: |item| count(item, "/spec/relationships"),
        },
        Column {
            heading: "EXTENDS",
            wide: true,
            cell: |item| cell(item, "/spec/extends"),
        },
        Column {
            heading: "DESCRIPTION",
            wide: true,
            cell: |item| cell(item, "/spec/description"),
        },
    ],
};

const CONNECTIONS: Sheet = Sheet {
    kind: "connection",
    name: |item| cell(item, "/metadata/name"),
    columns: &[
        Column {
            heading: "NAME",
            wide: false,
            cell: |item| cell(item, "/metadata/name"),
        },
        Column {
            heading: "TOPICS",
            wide: false,
            cell: |item| count(item, "/spec/topics"),
        },
        Column {
            heading: "PATTERNS",
            wide: true,
            cell: patterns,
        },
    ],
};

const DEAD_LETTERS: Sheet = Sheet {
    kind: "deadletter",
    name: |item| cell(item, "/seq"),
    columns: &[
        Column {
            heading: "SEQ",
            wide: false,
            cell: |item| cell(item, "/seq"),
        },
        Column {
            heading: "ACCEPTED",
            wide: false,
            cell: |item| cell(item, "/accepted"),
        },
        Column {
            heading: "CODE",
            wide: false,
            cell: |item| cell(item, "/code"),
        },
        Column {
            heading: "ORIGIN",
            wide: false,
            cell: |item| cell(item, "/origin"),
        },
        Column {
            heading: "REASON",
            wide: false,
            cell: |item| cell(item, "/reason"),
        },
        Column {
            heading: "PAYLOAD",
            wide: true,
            cell: |item| cell(item, "/payload"),
        },
    ],
};

/// How a kind is printed.
pub fn sheet(kind: Kind) -> &'static Sheet {
    match kind {
        Kind::Twin => &TWINS,
        Kind::Interface => &INTERFACES,
        Kind::Connection => &CONNECTIONS,
        Kind::DeadLetter => &DEAD_LETTERS,
    }
}

/// Runs it.
pub fn run(args: Args, settings: &Settings) -> Result<(), Failure> {
    let format = Format::of(settings)?;
    let kind = Kind::parse(&args.kind)?;
    if args.interface.is_some() && !matches!(kind, Kind::Twin) {
        return Err(Failure::usage(
            "bad-options",
            format!("--interface chooses twins, not {}s", kind.name()),
            "leave it out, or ask for twins",
        ));
    }
    let client = settings.client()?;
    let manifest = matches!(format, Format::Yaml);
    if let [name] = args.names.as_slice() {
        return output::one(format, sheet(kind), &named(&client, kind, name, manifest)?);
    }
    let items = match args.names.is_empty() {
        false => args
            .names
            .iter()
            .map(|name| named(&client, kind, name, manifest))
            .collect::<Result<_, _>>()?,
        true => all(&client, kind, &args, manifest)?,
    };
    output::list(format, sheet(kind), &items)
}

fn all(client: &Client, kind: Kind, args: &Args, manifest: bool) -> Result<Vec<Json>, Failure> {
    let most = args.limit.unwrap_or(usize::MAX);
    let filter = TwinFilter {
        interface: args.interface.clone(),
        limit: None,
    };
    let items: Result<Vec<Json>, _> = match kind {
        Kind::Twin if !manifest => client
            .twins(&filter)
            .take(most)
            .map(|item| item.map(|twin| json!(twin)))
            .collect(),
        Kind::DeadLetter => client
            .dead_letters()
            .take(most)
            .map(|item| item.map(|letter| json!(letter)))
            .collect(),
        _ => client.objects(kind.name(), &filter).take(most).collect(),
    };
    Ok(items?)
}

/// One object, as a manifest if so wanted; an unknown name suggests the nearest.
pub fn named(client: &Client, kind: Kind, name: &str, manifest: bool) -> Result<Json, Failure> {
    let found = match kind {
        Kind::Twin if !manifest => client.twin(name).map(|twin| json!(twin)),
        Kind::DeadLetter => {
            let letters = client.dead_letters().filter_map(Result::ok);
            let letter = letters
                .map(|letter| json!(letter))
                .find(|letter| cell(letter, "/seq") == name);
            return letter.ok_or_else(|| {
                let remedy = "list them: gemelli get deadletters";
                Failure::new(
                    Exit::NotFound,
                    "not-found",
                    format!("there is no dead letter {name}"),
                    remedy,
                )
            });
        }
        _ => client.object(kind.name(), name),
    };
    found.map_err(|error| suggest(client, kind, name, error.into()))
}

/// Adds the nearest name that exists to a failure to find one.
pub fn suggest(client: &Client, kind: Kind, name: &str, failure: Failure) -> Failure {
    /// Names looked through for the nearest.
    const LOOKED: usize = 20_000;
    if failure.exit != Exit::NotFound {
        return failure;
    }
    let names: Vec<String> = match kind {
        Kind::Twin => client
            .twins(&TwinFilter::default())
            .take(LOOKED)
            .filter_map(Result::ok)
            .map(|twin| twin.id)
            .collect(),
        Kind::DeadLetter => Vec::new(),
        _ => client
            .objects(kind.name(), &TwinFilter::default())
            .take(LOOKED)
            .filter_map(Result::ok)
            .map(|item| cell(&item, "/metadata/name"))
            .collect(),
    };
    match nearest::name(name, names.iter().map(String::as_str)) {
        Some(near) => failure.with_remedy(format!("did you mean `{near}`?")),
        None => failure,
    }
}

/// The value of a member, which stands beside when it was written.
pub fn value(member: &Json) -> String {
    match member.get("value") {
        Some(Json::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => member.to_string(),
    }
}

/// Members on one line, cut where a terminal would.
fn brief(twin: &Json) -> String {
    const WIDTH: usize = 80;
    let members = ["properties", "telemetry", "derived"]
        .into_iter()
        .filter_map(|part| twin.get(part)?.as_object())
        .flatten();
    let text = members
        .map(|(name, member)| format!("{name}={}", value(member)))
        .collect::<Vec<_>>()
        .join(" ");
    match text.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

fn count(item: &Json, pointer: &str) -> String {
    item.pointer(pointer)
        .and_then(Json::as_array)
        .map_or(0, Vec::len)
        .to_string()
}

fn patterns(item: &Json) -> String {
    let topics = item.pointer("/spec/topics").and_then(Json::as_array);
    topics
        .into_iter()
        .flatten()
        .map(|topic| cell(topic, "/pattern"))
        .collect::<Vec<_>>()
        .join(" ")
}
