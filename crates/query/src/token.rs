//! Continuation tokens: a query and the place behind which its next page begins.
//!
//! The place is made of ids and values, never of a view: twins and relationships that come or go
//! between two pages are shown if they stand behind it, and no other row is shown twice or left out.
//! A token is opaque, not secret: who changes one gets an error or other rows of a query that they may
//! ask anyway.

use crate::{
    error::{Error, Kind},
    walk::Key,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use gemelli_model::Value;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, sync::Arc};

/// Version of the form below.
const VERSION: u8 = 1;

/// Where the next page of an answer begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Token {
    #[serde(rename = "v")]
    version: u8,
    /// The query's text.
    #[serde(rename = "q")]
    query: Arc<str>,
    /// The variable that the plan begins at.
    #[serde(rename = "s")]
    pub(crate) start: usize,
    /// Rows answered so far, for LIMIT.
    #[serde(rename = "n")]
    pub(crate) answered: u64,
    /// The last row's keys of ORDER BY: an empty list is absent.
    #[serde(rename = "o", default, skip_serializing_if = "Vec::is_empty")]
    order: Vec<Vec<Value>>,
    #[serde(rename = "p")]
    place: Place,
}

/// The last row's place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Place {
    #[serde(rename = "r")]
    Row(Vec<Key>),
    #[serde(rename = "g")]
    Group(Vec<Vec<Value>>),
}

impl Token {
    pub(crate) fn of_row(query: &Arc<str>, start: usize, answered: u64, place: Vec<Key>) -> Self {
        Self {
            version: VERSION,
            query: query.clone(),
            start,
            answered,
            order: Vec::new(),
            place: Place::Row(place),
        }
    }

    pub(crate) fn of_group(
        query: &Arc<str>,
        start: usize,
        answered: u64,
        group: &[Option<Value>],
    ) -> Self {
        Self {
            place: Place::Group(listed(group)),
            ..Self::of_row(query, start, answered, Vec::new())
        }
    }

    pub(crate) fn ordered(self, order: &[Option<Value>]) -> Self {
        Self {
            order: listed(order),
            ..self
        }
    }

    /// The text of the query that it belongs to: a request may carry the token alone.
    pub fn query(&self) -> &str {
        &self.query
    }

    pub(crate) fn row(&self) -> Option<&[Key]> {
        match &self.place {
            Place::Row(place) => Some(place),
            Place::Group(_) => None,
        }
    }

    pub(crate) fn group(&self) -> Option<Vec<Option<Value>>> {
        match &self.place {
            Place::Row(_) => None,
            Place::Group(group) => Some(present(group)),
        }
    }

    pub(crate) fn order(&self) -> Vec<Option<Value>> {
        present(&self.order)
    }
}

fn listed(values: &[Option<Value>]) -> Vec<Vec<Value>> {
    values.iter().map(|v| v.iter().cloned().collect()).collect()
}

fn present(values: &[Vec<Value>]) -> Vec<Option<Value>> {
    values.iter().map(|v| v.first().cloned()).collect()
}

/// No page gave this token.
pub(crate) fn strange(why: &str) -> Error {
    let message = format!("the continuation token cannot be used: {why}");
    Error::new(
        Kind::Token,
        message,
        "ask the query again from its first page",
    )
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = serde_json::to_vec(self).map_err(|_| fmt::Error)?;
        f.write_str(&URL_SAFE_NO_PAD.encode(json))
    }
}

impl FromStr for Token {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let json = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| strange("it is not one of this service's"))?;
        let token: Self = serde_json::from_slice(&json)
            .map_err(|_| strange("it is damaged, or of another version"))?;
        if token.version != VERSION {
            return Err(strange("it is of another version"));
        }
        Ok(token)
    }
}
