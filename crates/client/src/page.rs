//! Lists, read page by page.

use crate::{Client, Error};
use serde::{Deserialize, de::DeserializeOwned};
use std::collections::VecDeque;

/// One page of a list.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Page<T> {
    /// The items, in the list's order.
    #[serde(alias = "value")]
    pub items: Vec<T>,
    /// Where the next page starts: the value of `after`; none on the last page.
    #[serde(default)]
    pub next: Option<After>,
}

/// A page's cursor: opaque to clients.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum After {
    /// A name.
    Name(String),
    /// A position.
    Number(u64),
}

impl After {
    /// As it stands in the query.
    pub fn text(&self) -> String {
        match self {
            Self::Name(name) => name.clone(),
            Self::Number(number) => number.to_string(),
        }
    }
}

/// The items of a list, fetched a page at a time. After an error it ends.
#[derive(Debug)]
pub struct Pages<T> {
    client: Client,
    path: String,
    query: Vec<(&'static str, String)>,
    ready: VecDeque<T>,
    done: bool,
}

impl<T: DeserializeOwned> Pages<T> {
    pub(crate) fn new(client: Client, path: String, query: Vec<(&'static str, String)>) -> Self {
        Self {
            client,
            path,
            query,
            ready: VecDeque::new(),
            done: false,
        }
    }

    /// The next page as a whole, none after the last.
    pub fn next_page(&mut self) -> Option<Result<Vec<T>, Error>> {
        if self.done {
            return None;
        }
        let page = match self.client.page::<T>(&self.path, &self.query) {
            Ok(page) => page,
            Err(error) => {
                self.done = true;
                return Some(Err(error));
            }
        };
        self.query.retain(|(name, _)| *name != "after");
        match page.next {
            Some(after) => self.query.push(("after", after.text())),
            None => self.done = true,
        }
        Some(Ok(page.items))
    }
}

impl<T: DeserializeOwned> Iterator for Pages<T> {
    type Item = Result<T, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() {
            match self.next_page()? {
                Ok(items) => self.ready = items.into(),
                Err(error) => return Some(Err(error)),
            }
        }
        self.ready.pop_front().map(Ok)
    }
}
