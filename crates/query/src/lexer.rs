//! From text to tokens. Linear in the text; knows nothing of what a query means.

use crate::{
    error::{Error, Kind, Position},
    limits::{MAX_BYTES, MAX_TOKENS},
};

/// A word, name, literal or sign.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    /// A keyword or a name.
    Word(String),
    /// A name in double square brackets.
    Escaped(String),
    /// Text in quotes, escapes resolved.
    Text(String),
    /// Digits, as they are written, without a sign.
    Number(String),
    /// A sign.
    Sign(&'static str),
    /// Behind the last one.
    End,
}

impl Token {
    /// As an error repeats it.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Word(word) => format!("`{}`", short(word)),
            Self::Escaped(name) => format!("`[[{}]]`", short(name)),
            Self::Text(text) => format!("the text '{}'", short(text)),
            Self::Number(number) => format!("the number {}", short(number)),
            Self::Sign(sign) => format!("`{sign}`"),
            Self::End => "the end".into(),
        }
    }
}

/// The beginning of something long.
pub(crate) fn short(text: &str) -> String {
    /// Characters of the user's that an error repeats.
    const EXCERPT: usize = 40;
    match text.char_indices().nth(EXCERPT) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.into(),
    }
}

/// Signs; longer ones first.
const SIGNS: &[&str] = &[
    "..", "<=", ">=", "!=", "<>", "(", ")", "[", "]", ",", ".", "*", "=", "<", ">", "-", ":", "|",
];

/// Tokens with the byte where each begins; an [`Token::End`] is last.
pub(crate) fn tokens(text: &str) -> Result<Vec<(Token, usize)>, Error> {
    if text.len() > MAX_BYTES {
        let message = format!("the query has {} bytes, more than {MAX_BYTES}", text.len());
        return Err(Error::new(
            Kind::Limit,
            message,
            "ask in several shorter queries (limit MAX_BYTES)",
        ));
    }
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_space();
        let start = lexer.at;
        let token = lexer.next()?;
        let last = token == Token::End;
        tokens.push((token, start));
        if last {
            return Ok(tokens);
        }
        if tokens.len() > MAX_TOKENS {
            let message = format!("the query has more than {MAX_TOKENS} words and signs");
            let mut error = Error::new(
                Kind::Limit,
                message,
                "ask in several shorter queries (limit MAX_TOKENS)",
            );
            error.position = Some(Position::of(text, start));
            return Err(error);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let rest = self.rest();
        let end = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        let taken = rest.get(..end).unwrap_or_default().to_owned();
        self.at += end;
        taken
    }

    fn skip_space(&mut self) {
        self.take_while(char::is_whitespace);
    }

    fn fault(&self, at: usize, message: String, remedy: &str) -> Error {
        let mut error = Error::new(Kind::Malformed, message, remedy);
        error.position = Some(Position::of(self.text, at));
        error
    }

    fn next(&mut self) -> Result<Token, Error> {
        let Some(first) = self.peek() else {
            return Ok(Token::End);
        };
        if first.is_alphabetic() || first == '_' || first == '$' {
            let word = self.take_while(|c| c.is_alphanumeric() || c == '_' || c == '$');
            return Ok(Token::Word(word));
        }
        if first.is_ascii_digit() {
            return Ok(Token::Number(self.number()));
        }
        match first {
            '\'' => self.quoted(),
            '"' => Err(self.fault(
                self.at,
                "text stands in single quotes, not in double ones".into(),
                "write 'text'; a quote inside it as \\'",
            )),
            // Of three brackets the first is one of its own: -[[[name]]]- has an escaped name.
            '[' if self.rest().starts_with("[[") && !self.rest().starts_with("[[[") => {
                self.escaped()
            }
            _ => match SIGNS.iter().find(|sign| self.rest().starts_with(**sign)) {
                Some(sign) => {
                    self.at += sign.len();
                    Ok(Token::Sign(sign))
                }
                None => Err(self.fault(
                    self.at,
                    format!("the character {first:?} has no meaning here"),
                    "names with unusual characters stand in [[ ]]",
                )),
            },
        }
    }

    /// Digits with a fraction and an exponent; `1..3` is two numbers.
    fn number(&mut self) -> String {
        let mut number = self.take_while(|c| c.is_ascii_digit());
        let mut after = self.rest().chars();
        if after.next() == Some('.') && after.next().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
            number.push('.');
            number += &self.take_while(|c| c.is_ascii_digit());
        }
        let mut after = self.rest().chars();
        if matches!(after.next(), Some('e' | 'E')) {
            let (sign, digit) = match after.next() {
                Some(sign @ ('+' | '-')) => (Some(sign), after.next()),
                other => (None, other),
            };
            if digit.is_some_and(|c| c.is_ascii_digit()) {
                number.push('e');
                number.extend(sign);
                self.at += 1 + usize::from(sign.is_some());
                number += &self.take_while(|c| c.is_ascii_digit());
            }
        }
        number
    }

    fn quoted(&mut self) -> Result<Token, Error> {
        let start = self.at;
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '\'' => {
                    self.at += at + 1;
                    return Ok(Token::Text(text));
                }
                '\\' => match chars.next() {
                    Some((_, next @ ('\'' | '\\'))) => text.push(next),
                    Some((_, next)) => text.extend(['\\', next]),
                    None => break,
                },
                c => text.push(c),
            }
        }
        Err(self.fault(
            start,
            "the text that begins here has no end".into(),
            "close it with a single quote; a quote inside it is \\'",
        ))
    }

    fn escaped(&mut self) -> Result<Token, Error> {
        let inner = self.rest().get(2..).unwrap_or_default();
        match inner.find("]]") {
            Some(0) => Err(self.fault(self.at, "[[ ]] holds no name".into(), "name a property")),
            Some(end) => {
                let name = inner.get(..end).unwrap_or_default().to_owned();
                self.at += end + 4;
                Ok(Token::Escaped(name))
            }
            None => Err(self.fault(
                self.at,
                "the name that begins here has no end".into(),
                "close it with ]]",
            )),
        }
    }
}
