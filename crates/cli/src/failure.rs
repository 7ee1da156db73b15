//! How the program fails: one type, one form on the screen, documented exit codes.
//!
//! ```text
//! error[unknown-field]: unknown field `propertis`
//!  --> room.yaml:4:3
//!   |
//! 4 |   propertis:
//!   |   ^^^^^^^^^
//!   |
//!   = help: did you mean `properties`?
//!   = docs: docs/errors/unknown-field.md
//! ```

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet, renderer::DecorStyle};
use std::{
    io::{self, IsTerminal, Write},
    ops::Range,
    process::ExitCode,
};

/// Exit codes, as `docs/cli.md` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It failed, or what was compared differs.
    Failed = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// The server was not reached.
    Unreachable = 3,
    /// What was named does not exist.
    NotFound = 4,
    /// The server refused what was sent.
    Refused = 5,
    /// What was sent does not fit what is there.
    Conflict = 6,
}

impl Exit {
    /// How a refusal ends the program: by its code where the status says less, as that of another
    /// service's data plane does.
    pub fn of(code: &str, status: u16) -> Self {
        match code {
            "has-relationships" | "in-use" | "already-exists" | "duplicate-id" => Self::Conflict,
            _ => match status {
                404 => Self::NotFound,
                409 | 412 => Self::Conflict,
                400 | 413 | 415 | 422 => Self::Refused,
                _ => Self::Failed,
            },
        }
    }
}

/// What went wrong, and what to do.
#[derive(Debug)]
pub struct Failure {
    /// Stable code, in kebab case; empty for a failure that was reported already.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
    /// Where, if in a file.
    pub place: Option<Box<Place>>,
    /// How the program ends.
    pub exit: Exit,
}

/// A place in a file.
#[derive(Clone, Debug)]
pub struct Place {
    /// The file as the user named it.
    pub file: String,
    /// Its text.
    pub text: String,
    /// Bytes of the text.
    pub span: Range<usize>,
}

impl Place {
    /// The word at a line and column, both from 1.
    pub fn at(file: &str, text: &str, line: usize, column: usize) -> Self {
        let start = text
            .split_inclusive('\n')
            .take(line.saturating_sub(1))
            .map(str::len)
            .sum::<usize>();
        let row = text
            .get(start..)
            .unwrap_or_default()
            .lines()
            .next()
            .unwrap_or_default();
        let skipped: usize = row
            .chars()
            .take(column.saturating_sub(1))
            .map(char::len_utf8)
            .sum();
        let rest = row.get(skipped..).unwrap_or_default();
        let word = rest
            .find(|c: char| c.is_whitespace() || c == ':')
            .unwrap_or(rest.len())
            .max(1);
        let from = (start + skipped).min(text.len());
        Self {
            file: file.into(),
            text: text.into(),
            span: from..(from + word).min(text.len()),
        }
    }
}

impl Failure {
    /// A failure with a code, a message and a remedy.
    pub fn new(
        exit: Exit,
        code: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            remedy: remedy.into(),
            place: None,
            exit,
        }
    }

    /// The command line is wrong.
    pub fn usage(code: &str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(Exit::Usage, code, message, remedy)
    }

    /// Ends the program with a code; everything was said already.
    pub fn silent(exit: Exit) -> Self {
        Self::new(exit, "", "", "")
    }

    /// With the place in a file.
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(Box::new(place));
        self
    }

    /// With another remedy.
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// Says it on stderr and gives the exit code.
    pub fn report(&self) -> ExitCode {
        if !self.code.is_empty() {
            self.print();
        }
        ExitCode::from(self.exit as u8)
    }

    /// Says it on stderr.
    pub fn print(&self) {
        let colour = io::stderr().is_terminal()
            && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
        let text = self.text(colour);
        // Nobody is left to be told when stderr itself is gone.
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// As it stands on the screen.
    pub fn text(&self, colour: bool) -> String {
        let renderer = if colour {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let title = Level::ERROR
            .primary_title(self.message.as_str())
            .id(self.code.as_str());
        let docs = format!("docs/errors/{}.md", self.code);
        let mut notes = Vec::new();
        if !self.remedy.is_empty() {
            notes.push(Level::HELP.message(self.remedy.as_str()));
        }
        notes.push(Level::NOTE.with_name(Some("docs")).message(docs.as_str()));
        let group = match &self.place {
            Some(place) => {
                let mark = AnnotationKind::Primary.span(place.span.clone());
                let snippet = Snippet::source(place.text.as_str())
                    .path(place.file.as_str())
                    .annotation(mark);
                title.element(snippet).elements(notes)
            }
            None => title.elements(notes),
        };
        renderer.decor_style(DecorStyle::Ascii).render(&[group])
    }
}

impl From<gemelli_client::Error> for Failure {
    fn from(error: gemelli_client::Error) -> Self {
        use gemelli_client::Error;
        let exit = match &error {
            Error::Unreachable { .. } | Error::StaleContext { .. } | Error::NoContext { .. } => {
                Exit::Unreachable
            }
            Error::Options(_) => Exit::Usage,
            Error::Answer { .. } => Exit::Failed,
            Error::Refused(problem) => Exit::of(&problem.code, problem.status),
        };
        let remedy = match error.code() {
            "has-relationships" => "delete its relationships first, or with it: --cascade",
            _ => error.remedy(),
        };
        Self::new(exit, error.code(), error.to_string(), remedy)
    }
}

impl From<io::Error> for Failure {
    /// Writing to stdout failed. A reader that went away (`gemelli get twins | head`) is no failure worth words.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::silent(Exit::Failed),
            _ => Self::new(
                Exit::Failed,
                "io-failed",
                error.to_string(),
                "check the disk and the output's target",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_in_a_file_shows_line_caret_help_and_page() {
        let text = "kind: Twin\nspec:\n  propertis:\n    a: 1\n";
        let failure = Failure::new(
            Exit::Refused,
            "unknown-field",
            "unknown field `propertis`",
            "did you mean `properties`?",
        )
        .at(Place::at("room.yaml", text, 3, 3));
        assert_eq!(
            failure.text(false),
            "error[unknown-field]: unknown field `propertis`\n --> room.yaml:3:3\n  |\n3 |   propertis:\n  |   ^^^^^^^^^\n  |\n  = help: did you mean `properties`?\n  = docs: docs/errors/unknown-field.md"
        );
    }

    #[test]
    fn the_code_decides_before_the_status() {
        for (code, status, exit) in [
            ("has-relationships", 400, Exit::Conflict),
            ("in-use", 409, Exit::Conflict),
            ("unknown-interface", 404, Exit::NotFound),
            ("unknown-interface", 422, Exit::Refused),
            ("computed-member", 400, Exit::Refused),
            ("unauthorized", 401, Exit::Failed),
        ] {
            assert_eq!(Exit::of(code, status), exit, "{code} {status}");
        }
    }

    #[test]
    fn a_place_past_the_end_is_still_a_place() {
        let place = Place::at("f", "a", 9, 9);
        assert_eq!(place.span, 1..1);
    }
}
