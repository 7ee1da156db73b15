//! The scanner: one pass over the text, recursion bounded by [`DEPTH`].

use super::{DEPTH, Document, Duplicate, Error, Fault, Kind, Member, Node, Number, Pos, repeated};

/// Reads values off a text.
pub(super) struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    /// Next byte; always on the border of a character when a place is asked for.
    at: usize,
    /// A place that is known, and its offset: places are counted on from here.
    known: (usize, Pos),
    duplicates: Vec<Duplicate>,
}

/// The place after a text that begins at a place.
pub(super) fn place(from: Pos, text: &str) -> Pos {
    let Pos {
        mut line,
        mut column,
    } = from;
    for byte in text.bytes() {
        match byte {
            b'\n' => {
                line = line.saturating_add(1);
                column = 1;
            }
            // Bytes within a character do not count.
            0x80..=0xbf => {}
            _ => column = column.saturating_add(1),
        }
    }
    Pos { line, column }
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let at = if text.starts_with('\u{feff}') { 3 } else { 0 };
        Self {
            text,
            bytes: text.as_bytes(),
            at,
            known: (at, Pos::START),
            duplicates: Vec::new(),
        }
    }

    pub(super) fn document(mut self) -> Result<Document, Error> {
        let root = self.value(0)?;
        self.blank();
        if self.at < self.bytes.len() {
            return Err(self.error(Fault::Trailing));
        }
        self.duplicates.sort_by_key(|duplicate| duplicate.pos);
        Ok(Document {
            root,
            duplicates: self.duplicates,
        })
    }

    fn value(&mut self, depth: usize) -> Result<Node, Error> {
        self.blank();
        let start = self.at;
        let pos = self.here();
        let kind = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => Kind::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => Kind::Number(self.number()?),
            Some(b't') => self.word("true", Kind::Bool(true))?,
            Some(b'f') => self.word("false", Kind::Bool(false))?,
            Some(b'n') => self.word("null", Kind::Null)?,
            _ => return Err(self.unexpected("a value")),
        };
        Ok(Node {
            kind,
            pos,
            start: offset(start),
            end: offset(self.at),
        })
    }

    fn object(&mut self, depth: usize) -> Result<Kind, Error> {
        self.deeper(depth)?;
        let mut members = Vec::new();
        if self.closes(b'}') {
            return Ok(Kind::Object(members));
        }
        loop {
            self.blank();
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("a key in quotes"));
            }
            let key_pos = self.here();
            let key = self.string()?;
            self.blank();
            if self.peek() != Some(b':') {
                return Err(self.unexpected("a colon"));
            }
            self.at += 1;
            let value = self.value(depth + 1)?;
            members.push(Member {
                key,
                key_pos,
                value,
            });
            if !self.goes_on(b'}', "a comma or }")? {
                break;
            }
        }
        repeated(&members, &mut self.duplicates);
        Ok(Kind::Object(members))
    }

    fn array(&mut self, depth: usize) -> Result<Kind, Error> {
        self.deeper(depth)?;
        let mut items = Vec::new();
        if self.closes(b']') {
            return Ok(Kind::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if !self.goes_on(b']', "a comma or ]")? {
                return Ok(Kind::Array(items));
            }
        }
    }

    /// Takes an opening bracket.
    fn deeper(&mut self, depth: usize) -> Result<(), Error> {
        if depth >= DEPTH {
            return Err(self.error(Fault::Depth));
        }
        self.at += 1;
        Ok(())
    }

    /// Takes a closing bracket if it is next.
    fn closes(&mut self, bracket: u8) -> bool {
        self.blank();
        let closes = self.peek() == Some(bracket);
        self.at += usize::from(closes);
        closes
    }

    /// Takes a comma or the closing bracket; whether it was a comma.
    fn goes_on(&mut self, bracket: u8, wanted: &'static str) -> Result<bool, Error> {
        if self.closes(bracket) {
            return Ok(false);
        }
        if self.peek() != Some(b',') {
            return Err(self.unexpected(wanted));
        }
        self.at += 1;
        Ok(true)
    }

    fn word(&mut self, word: &'static str, kind: Kind) -> Result<Kind, Error> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word.as_bytes()) {
            return Err(self.unexpected("true, false or null"));
        }
        self.at += word.len();
        Ok(kind)
    }

    fn number(&mut self) -> Result<Number, Error> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        let whole = self.digits();
        let zero = self.bytes.get(self.at - whole) == Some(&b'0');
        let mut sound = whole == 1 || (whole > 1 && !zero);
        if self.peek() == Some(b'.') {
            self.at += 1;
            sound &= self.digits() > 0;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            sound &= self.digits() > 0;
        }
        if !sound {
            return Err(self.error(Fault::Number));
        }
        Ok(Number {
            text: self.text.get(start..self.at).unwrap_or_default().into(),
        })
    }

    /// Takes digits; how many.
    fn digits(&mut self) -> usize {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        count
    }

    /// Takes a string, quotes included.
    fn string(&mut self) -> Result<String, Error> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let start = self.at;
            let rest = self.bytes.get(start..).unwrap_or_default();
            let plain = rest
                .iter()
                .take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20))
                .count();
            self.at += plain;
            text.push_str(self.text.get(start..self.at).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => text.push(self.escape()?),
                Some(control) => return Err(self.error(Fault::Control(char::from(control)))),
                None => return Err(self.error(Fault::Ends)),
            }
        }
    }

    /// Takes a backslash and what it escapes.
    fn escape(&mut self) -> Result<char, Error> {
        let pos = self.here();
        let next = self.bytes.get(self.at + 1).copied();
        let plain = match next {
            Some(b'"' | b'\\' | b'/') => next.map(char::from),
            Some(b'b') => Some('\u{8}'),
            Some(b'f') => Some('\u{c}'),
            Some(b'n') => Some('\n'),
            Some(b'r') => Some('\r'),
            Some(b't') => Some('\t'),
            _ => None,
        };
        if let Some(plain) = plain {
            self.at += 2;
            return Ok(plain);
        }
        let unit = self.unit(pos)?;
        match unit {
            0xdc00..=0xdfff => Err(at(pos, Fault::Surrogate)),
            0xd800..=0xdbff => {
                let rest = self.bytes.get(self.at..).unwrap_or_default();
                if !rest.starts_with(b"\\u") {
                    return Err(at(pos, Fault::Surrogate));
                }
                let low = self.unit(pos)?;
                if !matches!(low, 0xdc00..=0xdfff) {
                    return Err(at(pos, Fault::Surrogate));
                }
                let code = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                char::from_u32(code).ok_or_else(|| at(pos, Fault::Surrogate))
            }
            _ => char::from_u32(unit).ok_or_else(|| at(pos, Fault::Surrogate)),
        }
    }

    /// Takes `\u` and four digits.
    fn unit(&mut self, pos: Pos) -> Result<u32, Error> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let [b'\\', b'u', digits @ ..] = rest else {
            return Err(at(pos, Fault::Escape));
        };
        let mut unit = 0;
        for place in 0..4 {
            let digit = digits.get(place).and_then(|&d| char::from(d).to_digit(16));
            unit = unit * 16 + digit.ok_or_else(|| at(pos, Fault::Escape))?;
        }
        self.at += 6;
        Ok(unit)
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// The place of the next character. Places are asked for in rising order, hence all of them
    /// together cost one pass.
    fn here(&mut self) -> Pos {
        let (offset, pos) = self.known;
        let between = self.text.get(offset..self.at).unwrap_or_default();
        let pos = place(pos, between);
        self.known = (self.at, pos);
        pos
    }

    fn error(&mut self, fault: Fault) -> Error {
        at(self.here(), fault)
    }

    fn unexpected(&mut self, wanted: &'static str) -> Error {
        let found = self
            .text
            .get(self.at..)
            .and_then(|rest| rest.chars().next());
        self.error(match found {
            Some(found) => Fault::Unexpected { found, wanted },
            None => Fault::Ends,
        })
    }
}

fn at(pos: Pos, fault: Fault) -> Error {
    Error { pos, fault }
}

/// An offset within a text whose length was checked.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
