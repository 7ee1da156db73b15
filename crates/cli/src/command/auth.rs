//! `gemelli auth`: certificates and tokens of a data folder.

use crate::{
    failure::{Exit, Failure},
    output::{self, Column, Format, Sheet, cell},
    settings::Settings,
};
use gemelli_auth::{Role, Tokens};
use gemelli_model::time;
use serde_json::{Value as Json, json};
use std::{
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

/// Make certificates and tokens, needed beyond loopback
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
    /// Make another token, shown once; a running server knows it within a second
    Token {
        /// Its name
        name: String,
        /// reader, writer or admin
        #[arg(long, default_value = "reader", value_parser = ["reader", "writer", "admin"])]
        role: String,
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
            heading: "CREATED",
            wide: false,
            cell: |item| cell(item, "/created"),
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
        What::Token { name, role } => {
            let tokens = Tokens::open(&data).map_err(failed)?;
            let token = tokens.add(&name, role_of(&role), now).map_err(failed)?;
            output::one(
                format,
                &MADE,
                &json!({"name": name, "role": role, "token": token}),
            )?;
            output::say("keep the token: it is shown only now");
            Ok(())
        }
        What::List => {
            let tokens = Tokens::open(&data).map_err(failed)?.list();
            let row = |token: &gemelli_auth::Token| -> Json {
                let created = time::format_ms(i64::try_from(token.created_ms).unwrap_or(i64::MAX));
                json!({"name": token.name, "role": token.role, "created": created})
            };
            output::list(format, &LISTED, &tokens.iter().map(row).collect::<Vec<_>>())
        }
        What::Revoke { name } => {
            Tokens::open(&data)
                .map_err(failed)?
                .revoke(&name)
                .map_err(failed)?;
            output::write(&format!("token/{name} revoked\n"))
        }
    }
}

fn role_of(text: &str) -> Role {
    match text {
        "admin" => Role::Admin,
        "writer" => Role::Writer,
        _ => Role::Reader,
    }
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
