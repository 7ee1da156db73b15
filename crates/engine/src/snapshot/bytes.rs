//! Bytes of a snapshot's entry: a version, then numbers, texts and values.

use crate::Damaged;
use gemelli_model::Value;
use std::sync::Arc;

/// Writes an entry.
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn new(version: u16) -> Self {
        Self(version.to_le_bytes().to_vec())
    }

    /// Seven bits a byte, the lowest first.
    pub(super) fn number(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.0.push((n as u8) | 0x80);
            n >>= 7;
        }
        self.0.push(n as u8);
    }

    /// Small for numbers near 0 on either side.
    pub(super) fn signed(&mut self, n: i64) {
        self.number(((n << 1) ^ (n >> 63)) as u64);
    }

    pub(super) fn count(&mut self, n: usize) {
        self.number(n as u64);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.count(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    pub(super) fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.0.push(0),
            Value::Bool(false) => self.0.push(1),
            Value::Bool(true) => self.0.push(2),
            Value::Int(n) => {
                self.0.push(3);
                self.signed(*n);
            }
            Value::Double(x) => {
                self.0.push(4);
                self.0.extend_from_slice(&x.to_bits().to_le_bytes());
            }
            Value::Text(text) => {
                self.0.push(5);
                self.text(text);
            }
            Value::Array(items) => {
                self.0.push(6);
                self.count(items.len());
                items.iter().for_each(|item| self.value(item));
            }
            Value::Object(fields) => {
                self.0.push(7);
                self.count(fields.len());
                for (name, value) in fields.iter() {
                    self.text(name);
                    self.value(value);
                }
            }
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Deepest nesting of a value that is read.
const MAX_DEPTH: usize = 256;

/// Reads an entry.
pub(super) struct Reader<'a> {
    what: &'a str,
    version: u16,
    rest: &'a [u8],
    depth: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(what: &'a str, bytes: &'a [u8], newest: u16) -> Result<Self, Damaged> {
        let mut reader = Self {
            what,
            version: 0,
            rest: bytes,
            depth: 0,
        };
        let version = u16::from_le_bytes(reader.array()?);
        if version > newest {
            return Err(Damaged::Newer {
                what: what.into(),
                version,
                newest,
            });
        }
        reader.version = version;
        Ok(reader)
    }

    /// The version of the format that it was written in.
    pub(super) fn version(&self) -> u16 {
        self.version
    }

    pub(super) fn broken(&self, why: impl Into<String>) -> Damaged {
        Damaged::Broken {
            what: self.what.into(),
            why: why.into(),
        }
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], Damaged> {
        let (taken, rest) = self
            .rest
            .split_at_checked(n)
            .ok_or_else(|| self.broken("it ends too early"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        self.take(N)?
            .try_into()
            .map_err(|_| self.broken("it ends too early"))
    }

    pub(super) fn number(&mut self) -> Result<u64, Damaged> {
        let mut n = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            n |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(n);
            }
        }
        Err(self.broken("a number is too long"))
    }

    pub(super) fn small(&mut self) -> Result<u32, Damaged> {
        u32::try_from(self.number()?).map_err(|_| self.broken("a number is too large"))
    }

    pub(super) fn signed(&mut self) -> Result<i64, Damaged> {
        let n = self.number()?;
        Ok((n >> 1) as i64 ^ -((n & 1) as i64))
    }

    /// A count of things that each take at least a byte.
    pub(super) fn count(&mut self) -> Result<usize, Damaged> {
        let count = self.number()?;
        let fits = usize::try_from(count)
            .ok()
            .filter(|n| *n <= self.rest.len());
        fits.ok_or_else(|| self.broken(format!("it claims {count} parts, more than it has bytes")))
    }

    pub(super) fn list<T>(
        &mut self,
        mut one: impl FnMut(&mut Self) -> Result<T, Damaged>,
    ) -> Result<Vec<T>, Damaged> {
        (0..self.count()?).map(|_| one(self)).collect()
    }

    pub(super) fn text(&mut self) -> Result<Arc<str>, Damaged> {
        let length = self.count()?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes)
            .map(Arc::from)
            .map_err(|_| self.broken("a text is not UTF-8"))
    }

    pub(super) fn value(&mut self) -> Result<Value, Damaged> {
        if self.depth > MAX_DEPTH {
            return Err(self.broken("a value is nested too deeply"));
        }
        self.depth += 1;
        let [tag] = self.array()?;
        let value = match tag {
            0 => Value::Null,
            1 => Value::Bool(false),
            2 => Value::Bool(true),
            3 => Value::Int(self.signed()?),
            4 => Value::Double(f64::from_bits(u64::from_le_bytes(self.array()?))),
            5 => Value::Text(self.text()?),
            6 => Value::Array(self.list(Self::value)?.into()),
            7 => Value::Object(self.list(|r| Ok((r.text()?, r.value()?)))?.into()),
            _ => return Err(self.broken(format!("there is no kind of value {tag}"))),
        };
        self.depth -= 1;
        Ok(value)
    }

    pub(super) fn end(&self) -> Result<(), Damaged> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.broken("it goes on after its end"))
        }
    }
}
