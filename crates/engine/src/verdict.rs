//! What a step says about its record.

use gemelli_model::Value;
use std::{fmt, sync::Arc};

/// Faults of one apply that are told.
const MOST_FAULTS: usize = 32;

/// What a step says about its record.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It changed state as it should; or it asked for what already is.
    Accepted,
    /// An event with this source and id was accepted before: nothing changed.
    Duplicate,
    /// It cannot be: nothing changed. The record must not stay in the log.
    Rejected(Rejection),
    /// It changed state, and whoever asked gets this. Put, Patch: `{"etag": "W/\"…\""}`;
    /// Apply, Remove: `{"version": n, "objects": [{"kind", "name", "change": created|configured|unchanged|removed}]}`;
    /// Relate: `{"etag", "change": created|configured}`.
    Answer(Value),
}

/// Why something cannot be, with a stable code, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Rejection {
    /// Stable code, kebab-case: `docs/errors/<code>.md` tells more.
    pub code: &'static str,
    /// What was attempted, on what, and why it failed.
    pub reason: String,
    /// What to do.
    pub remedy: String,
    /// Where in a manifest, if it is one that is refused.
    pub detail: Option<Box<Detail>>,
}

/// Where a manifest is refused, and what else is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// The manifest's kind.
    pub kind: &'static str,
    /// Its name.
    pub name: Arc<str>,
    /// JSON pointer into it (`/spec/properties/0/derived/expression`).
    pub pointer: String,
    /// What is refused besides, each with a place of its own.
    pub others: Vec<Rejection>,
}

impl Rejection {
    /// A rejection from its three parts.
    pub fn new(code: &'static str, reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
            remedy: remedy.into(),
            detail: None,
        }
    }

    /// With its place in a manifest.
    #[must_use]
    pub fn at(mut self, kind: &'static str, name: &str, pointer: impl Into<String>) -> Self {
        self.detail = Some(Box::new(Detail {
            kind,
            name: name.into(),
            pointer: pointer.into(),
            others: Vec::new(),
        }));
        self
    }

    /// Fails with the first of what is refused, which takes the rest along; each place counts once.
    pub(crate) fn any_of(refused: Vec<Self>) -> Result<(), Self> {
        let mut kept: Vec<Self> = Vec::new();
        for mut one in refused {
            let others = one.detail.as_mut().map(|d| std::mem::take(&mut d.others));
            for one in std::iter::once(one).chain(others.into_iter().flatten()) {
                let known = one.detail.is_some() && kept.iter().any(|k| k.detail == one.detail);
                if !known && kept.len() < MOST_FAULTS {
                    kept.push(one);
                }
            }
        }
        // The others hang on a place, so one that has a place goes first.
        kept.sort_by_key(|one| one.detail.is_none());
        let mut kept = kept.into_iter();
        let Some(mut first) = kept.next() else {
            return Ok(());
        };
        if let Some(detail) = &mut first.detail {
            detail.others = kept.collect();
        }
        Err(first)
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.reason)?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        Ok(())
    }
}

/// Bytes of a snapshot that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damaged {
    /// Written by a newer version of the format.
    #[error(
        "snapshot of {what} has format {version}, this program reads up to {newest}: use the newer program"
    )]
    Newer {
        /// Which entry.
        what: String,
        /// The version found.
        version: u16,
        /// The newest version that can be read.
        newest: u16,
    },
    /// The bytes do not decode.
    #[error("snapshot of {what} is damaged: {why}")]
    Broken {
        /// Which entry.
        what: String,
        /// What does not fit.
        why: String,
    },
}
