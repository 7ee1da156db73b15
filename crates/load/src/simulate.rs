//! The command line of the device process: options as words, words as options.
//!
//! The process is started by `gemelli demo` and by the checker; nobody types these words, so they
//! are all required to be known and come in pairs.

use crate::{
    device::{self, Options, Plant, Protocol, Speed},
    workload::{Plan, Style, Workload},
};
use std::{fmt::Display, net::SocketAddr, str::FromStr};

/// Why the words make no run, or the run failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A word that is not known, misses its value, or has one that does not fit.
    #[error("{0}")]
    Words(String),
    /// The devices failed.
    #[error(transparent)]
    Devices(#[from] device::Error),
}

/// The words that make the device process run this.
pub fn words(plan: &Plan, options: &Options) -> Vec<String> {
    let mut words = Vec::new();
    let mut add =
        |name: &str, value: &dyn Display| words.extend([format!("--{name}"), value.to_string()]);
    add("mqtt", &options.address);
    add("neighborhoods", &plan.neighborhoods);
    add("days", &plan.days);
    add("first-day", &plan.first_day);
    add("start-ms", &plan.start_ms);
    add("seed", &plan.seed);
    add(
        "payload",
        &if plan.style == Style::Ktwin {
            "ktwin"
        } else {
            "varied"
        },
    );
    add(
        "protocol",
        &if options.protocol == Protocol::V311 {
            "3.1.1"
        } else {
            "5"
        },
    );
    match options.speed {
        Speed::Max => add("speed", &"max"),
        Speed::Times(times) => add("speed", &times),
    }
    if let Some(journal) = &options.journal {
        add("journal", &journal.display());
    }
    if let Some(plant) = options.plant {
        add(
            "plant",
            &if plant == Plant::Drop {
                "drop"
            } else {
                "double"
            },
        );
    }
    words
}

/// What the words ask for. A login stands in the environment, not in words: see [`run`].
pub fn parse(words: &[String]) -> Result<(Plan, Options), Error> {
    let mut plan = Plan::default();
    let mut options = Options::new(SocketAddr::from(([127, 0, 0, 1], 1883)));
    let mut words = words.iter();
    while let Some(name) = words.next() {
        let value = words
            .next()
            .ok_or_else(|| Error::Words(format!("{name} needs a value")))?;
        let wrong = |expected: &str| Error::Words(format!("{name} takes {expected}, not {value}"));
        match name.as_str() {
            "--mqtt" => {
                options.address = number(value).ok_or_else(|| wrong("an address with a port"))?
            }
            "--neighborhoods" => {
                plan.neighborhoods = number(value).ok_or_else(|| wrong("a number"))?
            }
            "--days" => plan.days = number(value).ok_or_else(|| wrong("a number"))?,
            "--first-day" => plan.first_day = number(value).ok_or_else(|| wrong("a number"))?,
            "--start-ms" => plan.start_ms = number(value).ok_or_else(|| wrong("milliseconds"))?,
            "--seed" => plan.seed = number(value).ok_or_else(|| wrong("a number"))?,
            "--payload" => plan.style = style(value).ok_or_else(|| wrong("varied or ktwin"))?,
            "--protocol" => {
                options.protocol = protocol(value).ok_or_else(|| wrong("5 or 3.1.1"))?
            }
            "--speed" => {
                options.speed = speed(value).ok_or_else(|| wrong("a number above 0 or max"))?
            }
            "--journal" => options.journal = Some(value.into()),
            "--plant" => options.plant = Some(plant(value).ok_or_else(|| wrong("drop or double"))?),
            _ => return Err(Error::Words(format!("{name} is not known"))),
        }
    }
    Ok((plan, options))
}

/// The body of the device process. `GEMELLI_MQTT_LOGIN` may hold `name:password`.
pub fn run(words: &[String]) -> Result<(), Error> {
    let (plan, mut options) = parse(words)?;
    let login = std::env::var("GEMELLI_MQTT_LOGIN").ok();
    options.login = login.and_then(|login| {
        let (name, password) = login.split_once(':')?;
        Some((name.to_owned(), password.to_owned()))
    });
    let workload = Workload::new(plan);
    device::notice::serve(&workload, &options, std::io::stdout().lock())?;
    Ok(())
}

/// A speed as users write it: simulated seconds per second, or `max`.
pub fn speed(text: &str) -> Option<Speed> {
    match text {
        "max" => Some(Speed::Max),
        _ => number(text)
            .filter(|times: &f64| times.is_finite() && *times > 0.0)
            .map(Speed::Times),
    }
}

/// A payload style as users write it.
pub fn style(text: &str) -> Option<Style> {
    match text {
        "varied" => Some(Style::Varied),
        "ktwin" => Some(Style::Ktwin),
        _ => None,
    }
}

/// A protocol as users write it.
pub fn protocol(text: &str) -> Option<Protocol> {
    match text {
        "5" => Some(Protocol::V5),
        "3.1.1" => Some(Protocol::V311),
        _ => None,
    }
}

fn plant(text: &str) -> Option<Plant> {
    match text {
        "drop" => Some(Plant::Drop),
        "double" => Some(Plant::Double),
        _ => None,
    }
}

fn number<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn words_come_back_as_the_options_they_were() {
        let plan = Plan {
            neighborhoods: 3,
            days: 2,
            first_day: 4,
            start_ms: -5,
            seed: 6,
            style: Style::Ktwin,
        };
        let options = Options {
            protocol: Protocol::V311,
            speed: Speed::Times(3_600.5),
            journal: Some("/tmp/a b".into()),
            plant: Some(Plant::Double),
            ..Options::new("[::1]:1884".parse().unwrap())
        };
        let (plan_again, options_again) = parse(&words(&plan, &options)).unwrap();
        assert_eq!(
            format!("{plan:?} {options:?}"),
            format!("{plan_again:?} {options_again:?}")
        );
    }

    #[test]
    fn wrong_words_are_named() {
        for (words, expected) in [
            (
                &["--speed", "0"][..],
                "--speed takes a number above 0 or max, not 0",
            ),
            (&["--days"], "--days needs a value"),
            (&["--day", "1"], "--day is not known"),
            (
                &["--plant", "weed"],
                "--plant takes drop or double, not weed",
            ),
        ] {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(parse(&words).unwrap_err().to_string(), expected);
        }
    }
}
