//! Topics of events: `ktwin/<category>/<interface>/<instance>`, in both spellings.
//!
//! A command's topic has its name as a fifth level. The dotted spelling is what RabbitMQ's MQTT
//! plugin makes of slashes; there an id holds no dot unless it is percent-encoded. In both, the
//! characters `/ + # %` of an id are percent-encoded. Parsing allocates only for ids that hold
//! encoded characters.

use crate::{Category, record::Event};
use gemelli_model::{id, nearest};
use std::{borrow::Cow, fmt};

/// The first level of topics that mean events of twins.
pub const ROOT: &str = "ktwin";

/// What an event's topic says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic<'a> {
    /// Where the event goes.
    pub category: Category,
    /// The interface.
    pub interface: Cow<'a, str>,
    /// The twin.
    pub twin: Cow<'a, str>,
    /// The command, for [`Category::Command`] and for nothing else.
    pub command: Option<Cow<'a, str>>,
}

/// A topic that begins as those of events do and does not go on like one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("topic {topic}: {what}")]
pub struct Malformed {
    /// The topic, shortened if long.
    pub topic: String,
    /// What is wrong with which level.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

impl Malformed {
    /// Its stable code.
    pub const CODE: &'static str = "malformed-topic";
}

impl<'a> Topic<'a> {
    /// What the topic says; none if it is no event's topic (its first level is another).
    ///
    /// # Errors
    /// It begins as an event's topic, and a level is missing, too many, empty, unknown or badly encoded.
    pub fn parse(topic: &'a str) -> Result<Option<Self>, Malformed> {
        let Some(rest) = topic.strip_prefix(ROOT) else {
            return Ok(None);
        };
        let separator = match rest.chars().next() {
            Some('/') => '/',
            Some('.') if !rest.contains('/') => '.',
            _ => return Ok(None),
        };
        let fault = |what: String, remedy: String| Malformed {
            topic: short(topic),
            what,
            remedy,
        };
        let shape = |command: bool| {
            let tail = if command { ["", "<command>"] } else { ["", ""] };
            let last = if command {
                separator.to_string()
            } else {
                String::new()
            };
            let levels =
                [ROOT, "<category>", "<interface>", "<instance>"].join(&separator.to_string());
            format!("write {levels}{last}{}", tail.concat())
        };
        let mut levels = rest.get(1..).unwrap_or_default().split(separator);
        let word = levels.next().unwrap_or_default();
        let Ok(category) = word.parse::<Category>() else {
            let known = Category::ALL.map(Category::as_str);
            let remedy = match nearest::name(word, known) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("use one of {}", known.join(", ")),
            };
            return Err(fault(format!("{word:?} is no category"), remedy));
        };
        let is_command = category == Category::Command;
        let mut level = |name: &str| {
            let raw = levels
                .next()
                .ok_or_else(|| fault(format!("the {name} is missing"), shape(is_command)))?;
            decode(raw).map_err(|what| {
                let remedy = "percent-encode / + # and % in ids, for example %2F for a slash";
                fault(format!("the {name} {raw:?} {what}"), remedy.into())
            })
        };
        let interface = level("interface")?;
        let twin = level("instance")?;
        let command = if is_command {
            Some(level("command")?)
        } else {
            None
        };
        match levels.next() {
            Some(_) => Err(fault("it has too many levels".into(), shape(is_command))),
            None => Ok(Some(Self {
                category,
                interface,
                twin,
                command,
            })),
        }
    }

    /// The topic on which an event is offered to subscribers.
    pub fn of(event: &'a Event) -> Self {
        Self {
            category: event.category,
            interface: Cow::Borrowed(event.interface.as_str()),
            twin: Cow::Borrowed(event.twin.as_str()),
            command: event
                .command
                .as_ref()
                .map(|command| Cow::Borrowed(&*command.name)),
        }
    }

    /// Appends the topic in the slash spelling.
    pub fn write(&self, out: &mut String) {
        self.write_with('/', out);
    }

    /// The topic in the dotted spelling.
    pub fn dotted(&self) -> String {
        let mut out = String::new();
        self.write_with('.', &mut out);
        out
    }

    fn write_with(&self, separator: char, out: &mut String) {
        out.push_str(ROOT);
        out.push(separator);
        out.push_str(self.category.as_str());
        for level in [
            Some(&self.interface),
            Some(&self.twin),
            self.command.as_ref(),
        ]
        .into_iter()
        .flatten()
        {
            out.push(separator);
            encode(level, separator, out);
        }
    }
}

impl fmt::Display for Topic<'_> {
    /// In the slash spelling.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        self.write(&mut out);
        f.write_str(&out)
    }
}

/// The id that a level stands for, or what is wrong with it.
fn decode(level: &str) -> Result<Cow<'_, str>, String> {
    let (mut wildcard, mut encoded) = (false, false);
    for byte in level.bytes() {
        wildcard |= matches!(byte, b'+' | b'#');
        encoded |= byte == b'%';
    }
    if wildcard {
        return Err("holds a wildcard".into());
    }
    let text = if encoded {
        let rest = |tail: &[u8]| matches!(tail, [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
        if level
            .as_bytes()
            .split(|b| *b == b'%')
            .skip(1)
            .any(|tail| !rest(tail))
        {
            return Err("holds a % without two hexadecimal digits".into());
        }
        let decoded = percent_encoding::percent_decode_str(level).decode_utf8();
        decoded.map_err(|_| "is not UTF-8 once decoded".to_owned())?
    } else {
        Cow::Borrowed(level)
    };
    match id::check(&text) {
        Ok(()) => Ok(text),
        Err(id::Unusable::Empty) => Err("is empty".into()),
        Err(why) => Err(format!("cannot be used: {why}")),
    }
}

fn encode(id: &str, separator: char, out: &mut String) {
    for c in id.chars() {
        match c {
            '/' => out.push_str("%2F"),
            '+' => out.push_str("%2B"),
            '#' => out.push_str("%23"),
            '%' => out.push_str("%25"),
            '.' if separator == '.' => out.push_str("%2E"),
            c => out.push(c),
        }
    }
}

/// At most the first 200 characters.
fn short(text: &str) -> String {
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(topic: &str) -> String {
        match Topic::parse(topic) {
            Ok(None) => "another topic".into(),
            Ok(Some(t)) => {
                let command = t
                    .command
                    .as_deref()
                    .map(|c| format!(" command {c}"))
                    .unwrap_or_default();
                format!("{} of {} twin {}{command}", t.category, t.interface, t.twin)
            }
            Err(e) => format!("{}; {}", e.what, e.remedy),
        }
    }

    #[test]
    fn topics_say_what_they_mean() {
        for (topic, wanted) in [
            ("ktwin/real/pole/pole-1", "real of pole twin pole-1"),
            ("ktwin.real.pole.pole-1", "real of pole twin pole-1"),
            (
                "ktwin/virtual/dtmi:city:Device;1/d.1",
                "virtual of dtmi:city:Device;1 twin d.1",
            ),
            (
                "ktwin/command/pole/pole-1/update",
                "command of pole twin pole-1 command update",
            ),
            (
                "ktwin.command.pole.pole-1.update",
                "command of pole twin pole-1 command update",
            ),
            ("ktwin/store/a%2Fb/%25%2B%23", "store of a/b twin %+#"),
            ("ktwin.real.pole.pole%2E1", "real of pole twin pole.1"),
            ("sensors/7/aq", "another topic"),
            ("ktwins/real/a/b", "another topic"),
            ("ktwin", "another topic"),
            ("ktwin.org/real", "another topic"),
            (
                "ktwin/reel/a/b",
                "\"reel\" is no category; did you mean real?",
            ),
            (
                "ktwin/",
                "\"\" is no category; use one of real, virtual, command, store",
            ),
            (
                "ktwin/real/a",
                "the instance is missing; write ktwin/<category>/<interface>/<instance>",
            ),
            (
                "ktwin/real/a/",
                "the instance \"\" is empty; percent-encode / + # and % in ids, for example %2F for a slash",
            ),
            (
                "ktwin/real/a/b/c",
                "it has too many levels; write ktwin/<category>/<interface>/<instance>",
            ),
            (
                "ktwin.real.a.b.c",
                "it has too many levels; write ktwin.<category>.<interface>.<instance>",
            ),
            (
                "ktwin/command/a/b",
                "the command is missing; write ktwin/<category>/<interface>/<instance>/<command>",
            ),
            (
                "ktwin/real/a/100%",
                "the instance \"100%\" holds a % without two hexadecimal digits; percent-encode / + # and % in ids, for example %2F for a slash",
            ),
            (
                "ktwin/real/a/%FF",
                "the instance \"%FF\" is not UTF-8 once decoded; percent-encode / + # and % in ids, for example %2F for a slash",
            ),
            (
                "ktwin/real/a/+",
                "the instance \"+\" holds a wildcard; percent-encode / + # and % in ids, for example %2F for a slash",
            ),
            (
                "ktwin/real/a/%00",
                "the instance \"%00\" cannot be used: an identifier holds no control characters, this one has U+0000; percent-encode / + # and % in ids, for example %2F for a slash",
            ),
        ] {
            assert_eq!(read(topic), wanted, "{topic}");
        }
    }

    #[test]
    fn topics_are_written_as_they_are_read() {
        let topic = Topic {
            category: Category::Command,
            interface: "a.b".into(),
            twin: "50% of a/b #1+".into(),
            command: Some("go".into()),
        };
        assert_eq!(
            topic.to_string(),
            "ktwin/command/a.b/50%25 of a%2Fb %231%2B/go"
        );
        assert_eq!(
            topic.dotted(),
            "ktwin.command.a%2Eb.50%25 of a%2Fb %231%2B.go"
        );
        for text in [topic.to_string(), topic.dotted()] {
            assert_eq!(Topic::parse(&text).unwrap(), Some(topic.clone()));
        }
    }
}
