//! `gemelli auth`: certificates, tokens and policies of a data folder.

use crate::{
    failure::{Exit, Failure},
    output::{self, Column, Format, Sheet, cell},
    settings::Settings,
};
use gemelli_auth::{Grant, Policies, Policy, Role, Token, Tokens};
use gemelli_model::{manifest::API_VERSION, time};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Make certificates, tokens and policies, needed beyond loopback
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
    /// The data folder [default: that of the settings]
    #[arg(long, global = true, value_name = "FOLDER", value_hint = clap::ValueHint::DirPath)]
    data: Option<PathBuf>,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Make an authority, a server certificate and the administrator's token, shown once
    Init {
        /// Name or address in the server certificate beside localhost; may be repeated
        #[arg(long = "host", value_name = "HOST")]
        hosts: Vec<String>,
    },
    /// The server's certificate
    Cert {
        #[command(subcommand)]
        what: Cert,
    },
    /// Make, list and take back tokens; a running server knows it within a second
    Token {
        #[command(subcommand)]
        what: TokenWhat,
    },
    /// Apply, list and delete policies; a running server knows it within a second
    Policy {
        #[command(subcommand)]
        what: PolicyWhat,
    },
}

#[derive(Debug, clap::Subcommand)]
enum TokenWhat {
    /// Make a token, shown once
    Create {
        /// Its name
        name: String,
        /// limited, device, reader, writer or admin
        #[arg(long, default_value = "reader", value_parser = Role::ALL.map(Role::as_str))]
        role: String,
        /// The twin that a device is bound to: it connects with that twin's id as client id
        #[arg(long, value_name = "TWIN", required_if_eq("role", "device"))]
        twin: Option<String>,
        /// How long it counts, for example 12h, 30d; for ever if nothing is said
        #[arg(long, value_name = "TIME", value_parser = lifetime)]
        expires: Option<Duration>,
    },
    /// List the tokens
    List,
    /// Take a token back
    Revoke {
        /// Its name
        name: String,
    },
}

#[derive(Debug, clap::Subcommand)]
enum PolicyWhat {
    /// Put policies in their place from a file of manifests of the kind Policy
    Apply {
        /// The file, YAML or JSON; - reads standard input
        #[arg(short, long = "filename", value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
        file: PathBuf,
    },
    /// List the policies
    List,
    /// Take a policy away
    Delete {
        /// Its name
        name: String,
    },
}

/// A time such as 90s, 15m, 12h or 30d.
fn lifetime(text: &str) -> Result<Duration, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits).unwrap_or_default();
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => 0,
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(seconds))
        .filter(|seconds| *seconds > 0)
        .map(Duration::from_secs)
        .ok_or_else(|| "write a number with s, m, h or d, for example 30d".into())
}

#[derive(Debug, clap::Subcommand)]
enum Cert {
    /// Make a new one by the same authority, for the names of the last one and those given
    Renew {
        /// One more name or address; may be repeated
        #[arg(long = "host", value_name = "HOST")]
        hosts: Vec<String>,
    },
}

const CERTIFICATE: Sheet = Sheet {
    kind: "certificate",
    name: |_| "server".into(),
    columns: &[
        Column {
            heading: "UNTIL",
            wide: false,
            cell: |item| cell(item, "/until"),
        },
        Column {
            heading: "HOSTS",
            wide: false,
            cell: |item| cell(item, "/hosts"),
        },
    ],
};

const NAME: Column = Column {
    heading: "NAME",
    wide: false,
    cell: |item| cell(item, "/name"),
};

const ROLE: Column = Column {
    heading: "ROLE",
    wide: false,
    cell: |item| cell(item, "/role"),
};

const MADE: Sheet = Sheet {
    kind: "token",
    name: |item| cell(item, "/name"),
    columns: &[
        NAME,
        ROLE,
        Column {
            heading: "TOKEN",
            wide: false,
            cell: |item| cell(item, "/token"),
        },
        Column {
            heading: "CA",
            wide: false,
            cell: |item| cell(item, "/ca"),
        },
        Column {
            heading: "HOSTS",
            wide: true,
            cell: |item| cell(item, "/hosts"),
        },
    ],
};

const LISTED: Sheet = Sheet {
    kind: "token",
    name: |item| cell(item, "/name"),
    columns: &[
        NAME,
        ROLE,
        Column {
            heading: "TWIN",
            wide: false,
            cell: |item| cell(item, "/twin"),
        },
        Column {
            heading: "CREATED",
            wide: false,
            cell: |item| cell(item, "/created"),
        },
        Column {
            heading: "EXPIRES",
            wide: false,
            cell: |item| cell(item, "/expires"),
        },
    ],
};

const POLICIES: Sheet = Sheet {
    kind: "policy",
    name: |item| cell(item, "/metadata/name"),
    columns: &[
        Column {
            heading: "NAME",
            wide: false,
            cell: |item| cell(item, "/metadata/name"),
        },
        Column {
            heading: "TEMPLATE",
            wide: false,
            cell: |item| cell(item, "/spec/template"),
        },
        Column {
            heading: "PRINCIPALS",
            wide: false,
            cell: |item| cell(item, "/spec/principals"),
        },
    ],
};

/// Runs it.
pub fn run(args: Args, settings: &Settings) -> Result<(), Failure> {
    let format = Format::of(settings)?;
    let data = args.data.unwrap_or_else(|| settings.text("data").into());
    let now = SystemTime::now();
    match args.what {
        What::Init { hosts } => {
            let made = gemelli_auth::init(&data, &hosts, now).map_err(failed)?;
            let row = json!({
                "name": "admin", "role": Role::Admin, "token": made.token, "ca": made.ca, "hosts": made.hosts,
                "until": rfc3339(made.until),
            });
            output::one(format, &MADE, &row)?;
            output::say(
                "keep the token: it is shown only now. Clients send it with --token-file and trust the CA with --ca",
            );
            output::say(&format!(
                "the server's certificate is for {}; for other names and addresses: gemelli auth cert renew --host NAME",
                made.hosts.join(", ")
            ));
            Ok(())
        }
        What::Cert {
            what: Cert::Renew { hosts },
        } => {
            let made = gemelli_auth::renew(&data, &hosts, now).map_err(failed)?;
            let row = json!({"hosts": made.hosts, "until": rfc3339(made.until)});
            output::one(format, &CERTIFICATE, &row)?;
            output::say("a running server uses it after a restart");
            Ok(())
        }
        What::Token { what } => token(what, format, &data, now),
        What::Policy { what } => policy(what, format, &data),
    }
}

fn token(what: TokenWhat, format: Format, data: &Path, now: SystemTime) -> Result<(), Failure> {
    let tokens = Tokens::open(data).map_err(failed)?;
    match what {
        TokenWhat::Create {
            name,
            role,
            twin,
            expires,
        } => {
            let grant = Grant {
                name: &name,
                role: role.parse().map_err(|why: String| {
                    Failure::usage("bad-options", why, "choose one of them with --role")
                })?,
                twin: twin.as_deref(),
                lifetime: expires,
            };
            let token = tokens.grant(&grant, now).map_err(failed)?;
            let row = json!({
                "name": name, "role": role, "twin": twin, "token": token,
                "expires": expires.map(|lifetime| rfc3339(now + lifetime)),
            });
            output::one(format, &MADE, &row)?;
            output::say("keep the token: it is shown only now");
            Ok(())
        }
        TokenWhat::List => {
            let row = |token: &Token| -> Json {
                json!({
                    "name": token.name, "role": token.role, "twin": token.twin,
                    "created": moment(token.created_ms), "expires": token.expires_ms.map(moment),
                })
            };
            let rows: Vec<_> = tokens.list().iter().map(row).collect();
            output::list(format, &LISTED, &rows)
        }
        TokenWhat::Revoke { name } => {
            tokens.revoke(&name).map_err(failed)?;
            output::write(&format!("token/{name} revoked\n"))
        }
    }
}

/// A policy as a manifest.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Manifest {
    api_version: String,
    kind: String,
    metadata: Metadata,
    spec: Policy,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    name: String,
}

impl Manifest {
    fn of(name: &str, spec: Policy) -> Self {
        Self {
            api_version: API_VERSION.into(),
            kind: "Policy".into(),
            metadata: Metadata { name: name.into() },
            spec,
        }
    }
}

fn policy(what: PolicyWhat, format: Format, data: &Path) -> Result<(), Failure> {
    let policies = Policies::open(data).map_err(failed)?;
    match what {
        PolicyWhat::Apply { file } => {
            let manifests = manifests(&file)?;
            for Manifest { metadata, spec, .. } in manifests {
                let name = metadata.name;
                let word = match policies.put(&name, spec).map_err(failed)? {
                    true => "applied",
                    false => "unchanged",
                };
                output::write(&format!("policy/{name} {word}\n"))?;
            }
            Ok(())
        }
        PolicyWhat::List => {
            let rows: Vec<_> = policies
                .list()
                .into_iter()
                .map(|(name, spec)| {
                    serde_json::to_value(Manifest::of(&name, spec)).unwrap_or_default()
                })
                .collect();
            output::list(format, &POLICIES, &rows)
        }
        PolicyWhat::Delete { name } => {
            policies.remove(&name).map_err(failed)?;
            output::write(&format!("policy/{name} deleted\n"))
        }
    }
}

/// The policies of a file; nothing is applied if one of them cannot be read.
fn manifests(file: &Path) -> Result<Vec<Manifest>, Failure> {
    let shown = file.display();
    let read = match file.to_str() {
        Some("-") => io::read_to_string(io::stdin()),
        _ => fs::read_to_string(file),
    };
    let text = read.map_err(|why| {
        let message = format!("cannot read {shown}: {why}");
        Failure::usage("bad-options", message, "check the path given by --filename")
    })?;
    let parsed: Result<Vec<Manifest>, _> = serde_saphyr::from_multiple(&text);
    let manifests = parsed.map_err(|why| {
        let remedy = "write manifests of the kind Policy, as docs/security.md shows";
        Failure::usage(
            "malformed-yaml",
            format!("{shown}: {}", why.without_snippet()),
            remedy,
        )
    })?;
    match manifests
        .iter()
        .find(|one| one.kind != "Policy" || one.api_version != API_VERSION)
    {
        Some(other) => {
            let message = format!(
                "{shown}: {} is a {} of {}",
                other.metadata.name, other.kind, other.api_version
            );
            let remedy = "this takes manifests of the kind Policy of gemelli.dev/v1; gemelli apply takes the others";
            Err(Failure::usage("unknown-kind", message, remedy))
        }
        None => Ok(manifests),
    }
}

fn moment(ms: u64) -> String {
    time::format_ms(i64::try_from(ms).unwrap_or(i64::MAX))
}

fn rfc3339(moment: SystemTime) -> String {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    time::format_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// What goes wrong with certificates and tokens.
pub fn failed(error: gemelli_auth::Error) -> Failure {
    let exit = match error.code() {
        "already-exists" => Exit::Conflict,
        "not-found" => Exit::NotFound,
        "bad-options" => Exit::Usage,
        _ => Exit::Failed,
    };
    Failure::new(exit, error.code(), error.to_string(), error.remedy())
}
