//! What a query may be, and what it may cost.

/// Longest text of a query, bytes.
pub const MAX_BYTES: usize = 262_144;
/// Most words, names, literals and signs of a query.
pub const MAX_TOKENS: usize = 20_000;
/// Deepest nesting of brackets, NOT and functions.
pub const MAX_DEPTH: usize = 64;
/// Most JOINs, or relationship conditions of a MATCH.
pub const MAX_LINKS: usize = 16;
/// Most hops of one relationship condition.
pub const MAX_HOPS: u32 = 10;
/// Most columns of SELECT, keys of GROUP BY and keys of ORDER BY, each.
pub const MAX_COLUMNS: usize = 256;
/// Visits between two looks at the deadline.
pub const DEADLINE_EVERY: u64 = 1_024;
/// Visits that are spent to find out whether a full page is the last one.
pub const PEEK: u64 = 1_000;

/// What answering a query may take.
pub struct Limits<'a> {
    /// Most rows of a page.
    pub page: usize,
    /// Most twins and relationships looked at for a page; an expression of many terms counts more.
    pub visits: u64,
    /// Most rows held at a time for ORDER BY: those of a page and those that OFFSET passes over.
    pub sorted: usize,
    /// Most groups of GROUP BY.
    pub groups: usize,
    /// Says that time is up; asked every [`DEADLINE_EVERY`] visits.
    pub expired: &'a dyn Fn() -> bool,
}

impl Default for Limits<'_> {
    fn default() -> Self {
        Self {
            page: 100,
            visits: 20_000_000,
            sorted: 100_000,
            groups: 100_000,
            expired: &|| false,
        }
    }
}
