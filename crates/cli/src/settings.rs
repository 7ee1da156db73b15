//! Settings: default < configuration file < environment `GEMELLI_…` < flag, each with its origin.
//!
//! The file is `gemelli/gemelli.yaml` below `XDG_CONFIG_HOME` (or `~/.config`), a flat mapping of
//! the keys below. An unknown key, in the file or the environment, is an error that names the
//! nearest.

use crate::failure::{Failure, Place};
use gemelli_client::{Client, Context, Options};
use gemelli_model::nearest;
use serde_json::Value as Json;
use std::{
    collections::BTreeMap,
    env, fmt, fs, io,
    path::{Path, PathBuf},
};

/// A key of the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name in the file; in the environment `GEMELLI_` and the name in capitals with `_` for `-`.
    pub name: &'static str,
    /// Its default; empty if there is none.
    pub default: &'static str,
    /// What it sets.
    pub about: &'static str,
}

const fn key(name: &'static str, default: &'static str, about: &'static str) -> Key {
    Key {
        name,
        default,
        about,
    }
}

/// All keys.
pub const KEYS: &[Key] = &[
    key("ca", "", "certificate of the authority to trust, PEM"),
    key("data", "./gemelli-data", "data folder of `up`"),
    key(
        "durability",
        "synced",
        "when `up` acknowledges: synced (on disk) or relaxed (power loss may take the last moments)",
    ),
    key("http", "127.0.0.1:8080", "address of the HTTP API"),
    key(
        "issuers",
        "",
        "OpenID issuers whose tokens count: a list, in variables as JSON",
    ),
    key(
        "log-level",
        "info",
        "least severe log line: error, warn, info, debug or trace",
    ),
    key(
        "memory",
        "4GiB",
        "resident memory past which `up` refuses new input",
    ),
    key("mqtt", "127.0.0.1:1883", "address of the MQTT listener"),
    key("mqtt-tls", "", "address of the MQTT listener with TLS"),
    key("mqtt-ws", "", "address of the MQTT listener over WebSocket"),
    key(
        "mqtt-wss",
        "",
        "address of the MQTT listener over WebSocket with TLS",
    ),
    key(
        "output",
        "table",
        "how objects are printed: table, wide, json, yaml or name",
    ),
    key(
        "relaxed-ms",
        "100",
        "milliseconds of input that a crash may take from MQTT clients that ask for `gemelli-durability: relaxed`",
    ),
    key("server", "", "address of the server that commands speak to"),
    key("token-file", "", "file that holds the bearer token"),
];

/// Variables with the prefix that are no keys.
const OTHER_VARIABLES: [&str; 3] = ["GEMELLI_CONFIG", "GEMELLI_MQTT_LOGIN", "GEMELLI_TOKEN"];

/// Where a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A line of the file.
    File(PathBuf, usize),
    /// A variable.
    Environment(String),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(file, line) => write!(f, "{}:{line}", file.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// A value and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// As it was written.
    pub value: String,
    /// By whom.
    pub origin: Origin,
}

/// All settings.
#[derive(Clone, Debug)]
pub struct Settings {
    found: BTreeMap<&'static str, Setting>,
    token: Option<String>,
}

impl Settings {
    /// Defaults, then the file, then the environment.
    pub fn load(file: Option<&Path>) -> Result<Self, Failure> {
        let default = |key: &Key| {
            (
                key.name,
                Setting {
                    value: key.default.into(),
                    origin: Origin::Default,
                },
            )
        };
        let mut settings = Self {
            found: KEYS.iter().map(default).collect(),
            token: None,
        };
        match file {
            Some(file) => settings.file(file, true)?,
            None => {
                if let Some(file) = usual_file() {
                    settings.file(&file, false)?;
                }
            }
        }
        settings.environment(env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }))?;
        Ok(settings)
    }

    /// Flags win over everything.
    pub fn flags(&mut self, flags: Vec<(&'static str, String)>) {
        for (name, value) in flags {
            self.found.insert(
                name,
                Setting {
                    value,
                    origin: Origin::Flag(format!("--{name}")),
                },
            );
        }
    }

    /// All settings by name.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &Setting)> {
        self.found.iter().map(|(name, setting)| (*name, setting))
    }

    /// The value of a key; empty if nobody set one and there is no default.
    pub fn text(&self, key: &str) -> &str {
        self.found
            .get(key)
            .map(|setting| setting.value.as_str())
            .unwrap_or_default()
    }

    /// The value of a key, if there is one.
    pub fn given(&self, key: &str) -> Option<&str> {
        Some(self.text(key)).filter(|value| !value.is_empty())
    }

    /// Where the value of a key comes from.
    pub fn origin(&self, key: &str) -> Origin {
        self.found
            .get(key)
            .map_or(Origin::Default, |setting| setting.origin.clone())
    }

    /// A client of the server that the settings, else the context, name.
    pub fn client(&self) -> Result<Client, Failure> {
        let mut options = match self.given("server") {
            Some(server) => Options::of(server),
            None => Options::from_context()?,
        };
        if let Some(ca) = self.given("ca") {
            options.ca = Some(ca.into());
        }
        options.token = self.token()?;
        Ok(Client::new(&options)?)
    }

    /// The data folder that commands beside a server look at: the one set, else the context's, else the default.
    pub fn data(&self) -> PathBuf {
        if self.origin("data") == Origin::Default
            && let Some(context) = Context::path().and_then(|file| fs::read(file).ok())
            && let Ok(context) = serde_json::from_slice::<Context>(&context)
        {
            return context.data;
        }
        self.text("data").into()
    }

    /// The bearer token: of the file, else of the environment.
    pub fn token(&self) -> Result<Option<String>, Failure> {
        let Some(file) = self.given("token-file") else {
            return Ok(self.token.clone());
        };
        let text = fs::read_to_string(file).map_err(|error| {
            let remedy = format!("check the path given by {}", self.origin("token-file"));
            Failure::usage(
                "bad-options",
                format!("cannot read the token file {file}: {error}"),
                remedy,
            )
        })?;
        Ok(Some(text.trim().into()))
    }

    fn file(&mut self, file: &Path, must_exist: bool) -> Result<(), Failure> {
        let shown = file.display().to_string();
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !must_exist => return Ok(()),
            Err(error) => {
                let message = format!("cannot read the configuration file {shown}: {error}");
                return Err(Failure::usage(
                    "bad-options",
                    message,
                    "check the path given by --config or GEMELLI_CONFIG",
                ));
            }
        };
        let malformed = |message: String, line, column| {
            let remedy = "write one `key: value` a line; `gemelli config show` lists the keys";
            Failure::usage("malformed-yaml", message, remedy)
                .at(Place::at(&shown, &text, line, column))
        };
        let parsed: Option<BTreeMap<String, Json>> =
            serde_saphyr::from_str(&text).map_err(|error| {
                let (line, column) = error
                    .location()
                    .map_or((1, 1), |at| (at.line() as usize, at.column() as usize));
                malformed(error.without_snippet().to_string(), line, column)
            })?;
        for (name, value) in parsed.unwrap_or_default() {
            let line = 1 + text
                .lines()
                .position(|line| line.trim_start().starts_with(&name))
                .unwrap_or_default();
            let known =
                known(&name).map_err(|failure| failure.at(Place::at(&shown, &text, line, 1)))?;
            let value = match value {
                Json::String(text) => text,
                Json::Number(_) | Json::Bool(_) => value.to_string(),
                Json::Array(_) if known == "issuers" => value.to_string(),
                _ => {
                    return Err(malformed(
                        format!("the value of `{name}` is not a text or a number"),
                        line,
                        1,
                    ));
                }
            };
            self.found.insert(
                known,
                Setting {
                    value,
                    origin: Origin::File(file.into(), line),
                },
            );
        }
        Ok(())
    }

    fn environment(
        &mut self,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<(), Failure> {
        for (variable, value) in variables {
            let Some(name) = variable.strip_prefix("GEMELLI_") else {
                continue;
            };
            if variable == "GEMELLI_TOKEN" {
                self.token = Some(value);
                continue;
            }
            if OTHER_VARIABLES.contains(&variable.as_str()) {
                continue;
            }
            let known =
                known(&name.to_ascii_lowercase().replace('_', "-")).map_err(|failure| Failure {
                    message: format!("no setting belongs to the variable {variable}"),
                    remedy: failure.remedy + ", or unset the variable",
                    ..failure
                })?;
            self.found.insert(
                known,
                Setting {
                    value,
                    origin: Origin::Environment(variable),
                },
            );
        }
        Ok(())
    }
}

fn known(name: &str) -> Result<&'static str, Failure> {
    if let Some(key) = KEYS.iter().find(|key| key.name == name) {
        return Ok(key.name);
    }
    let remedy = match nearest::name(name, KEYS.iter().map(|key| key.name)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`gemelli config show` lists the keys".into(),
    };
    Err(Failure::usage(
        "unknown-key",
        format!("no setting is called `{name}`"),
        remedy,
    ))
}

fn usual_file() -> Option<PathBuf> {
    let config = match env::var_os("XDG_CONFIG_HOME").filter(|dir| Path::new(dir).is_absolute()) {
        Some(dir) => PathBuf::from(dir),
        None => PathBuf::from(env::var_os("HOME").filter(|home| !home.is_empty())?).join(".config"),
    };
    Some(config.join("gemelli/gemelli.yaml"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> std::vec::IntoIter<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect::<Vec<_>>()
            .into_iter()
    }

    fn empty() -> Settings {
        Settings {
            found: BTreeMap::new(),
            token: None,
        }
    }

    #[test]
    fn flag_beats_variable_beats_file() {
        let file = env::temp_dir().join(format!("gemelli-settings-{}.yaml", std::process::id()));
        fs::write(
            &file,
            "# comment\nhttp: 127.0.0.1:1\nmqtt: 127.0.0.1:2\ndata: d\n",
        )
        .unwrap();
        let mut settings = empty();
        settings.file(&file, true).unwrap();
        settings
            .environment(variables(&[
                ("GEMELLI_MQTT", "b"),
                ("GEMELLI_DATA", "e"),
                ("PATH", "x"),
            ]))
            .unwrap();
        settings.flags(vec![("data", "f".into())]);
        assert_eq!(
            (settings.text("http"), settings.origin("http")),
            ("127.0.0.1:1", Origin::File(file.clone(), 2))
        );
        assert_eq!(settings.origin("mqtt").to_string(), "GEMELLI_MQTT");
        assert_eq!(
            (
                settings.text("data"),
                settings.origin("data").to_string().as_str()
            ),
            ("f", "--data")
        );
        fs::remove_file(file).unwrap();
    }

    #[test]
    fn unknown_keys_name_the_nearest() {
        let failure = empty()
            .environment(variables(&[("GEMELLI_SEVER", "x")]))
            .unwrap_err();
        assert_eq!(
            failure.remedy,
            "did you mean `server`?, or unset the variable"
        );
        assert_eq!(failure.code, "unknown-key");
    }
}
