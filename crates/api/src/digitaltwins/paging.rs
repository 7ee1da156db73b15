//! Pages of lists: `{"value", "nextLink"}`, with a link that a client follows as it is.

use super::ask::Parameters;
use crate::extract;
use axum::http::HeaderMap;
use serde_json::{Value as Json_, json};

/// Items of one page unless the client asks for another number.
const PAGE: usize = 100;
/// Most items of one page.
const PAGE_MOST: usize = 1_000;

/// How many items the client wants at once.
pub fn size(headers: &HeaderMap) -> usize {
    let asked = extract::text(headers, "max-items-per-page")
        .or_else(|| extract::text(headers, "x-ms-max-item-count"));
    extract::page_size(asked.and_then(|n| n.parse().ok()), PAGE, PAGE_MOST)
}

/// A page of the items, and the link to the next one if there are more. `token` says of the last item
/// where the next page goes on, `kept` is what the link repeats of what was asked.
pub fn page<T>(
    items: impl Iterator<Item = T>,
    headers: &HeaderMap,
    (path, kept): (&str, &[(&str, &str)]),
    token: impl Fn(&T) -> String,
    show: impl Fn(T) -> Json_,
) -> Json_ {
    let size = size(headers);
    let mut items: Vec<T> = items.take(size.saturating_add(1)).collect();
    let more = items.len() > size;
    items.truncate(size);
    let link = items.last().filter(|_| more).map(|last| {
        let kept = kept
            .iter()
            .map(|(name, value)| format!("&{name}={}", encode(value)));
        let kept: String = kept.collect();
        format!("{path}?continuationToken={}{kept}", encode(&token(last)))
    });
    let value: Vec<_> = items.into_iter().map(show).collect();
    json!({ "value": value, "nextLink": link })
}

/// Where a page goes on.
pub fn after(parameters: &Parameters) -> Option<&str> {
    parameters.last("continuationToken")
}

/// For a path or a query.
pub fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
