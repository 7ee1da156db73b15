//! What may go: segments of the log that nobody needs, history beyond its quota. Nothing else is ever removed.

use crate::{Error, shared::Shared};
use gemelli_event::Seq;
use std::{collections::BTreeMap, sync::atomic::Ordering};

/// Readers that come back for records, by name.
pub(crate) type Cursors = BTreeMap<String, Cursor>;

/// A reader's place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor {
    pub seq: Seq,
    /// Once it lags more bytes than this, it no longer holds the log back.
    pub quota_bytes: u64,
}

/// What a pass of housekeeping did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Segments that became history.
    pub converted: usize,
    /// Rows of history that they gave.
    pub rows: u64,
    /// Segments of the log that were removed.
    pub dropped_segments: usize,
    /// Rows of history that were dropped by its quota.
    pub dropped_rows: u64,
    /// Cursors that lagged more than their quota: they no longer hold the log back.
    pub dropped_cursors: Vec<String>,
    /// The log is beyond its quota, and only a new snapshot allows to remove more.
    pub wants_snapshot: bool,
}

const HOUR_MS: i64 = 3_600_000;

/// Converts, removes, and makes room. Runs beside the writer; one at a time.
pub(crate) fn keep_house(shared: &Shared, now_ms: i64) -> Result<Kept, Error> {
    let _alone = shared.housekeeping.lock();
    let mut kept = Kept::default();
    shared.make_room();
    for segment in shared.log.all() {
        let sealed = shared.log.after(&segment).is_some();
        if sealed && segment.next_seq() > shared.history.next_seq() {
            kept.rows += crate::history::convert(shared, &segment)?;
            kept.converted += 1;
        }
    }
    shared
        .metrics
        .history_rows
        .fetch_add(kept.rows, Ordering::Relaxed);
    drop_cursors(shared, &mut kept);
    drop_segments(shared, now_ms, &mut kept)?;
    kept.dropped_rows = shared.history.enforce_quota(shared)?;
    shared.make_room();
    Ok(kept)
}

fn drop_cursors(shared: &Shared, kept: &mut Kept) {
    let mut cursors = shared.cursors.lock();
    cursors.retain(|name, cursor| {
        let holds = shared.log.bytes_since(cursor.seq) <= cursor.quota_bytes;
        if !holds {
            kept.dropped_cursors.push(name.clone());
        }
        holds
    });
    shared
        .metrics
        .dropped_cursors
        .fetch_add(kept.dropped_cursors.len() as u64, Ordering::Relaxed);
}

fn drop_segments(shared: &Shared, now_ms: i64, kept: &mut Kept) -> Result<(), Error> {
    let options = &shared.options;
    let snapshot = shared.snapshots.lock().needed();
    let cursor = shared
        .cursors
        .lock()
        .values()
        .map(|c| c.seq)
        .min()
        .unwrap_or(Seq::MAX);
    loop {
        let segments = shared.log.all();
        let (Some(first), Some(second)) = (segments.first(), segments.get(1)) else {
            return Ok(());
        };
        let allocated: u64 = segments.iter().skip(1).map(|s| s.end()).sum::<u64>() + first.end();
        let total = allocated + options.segment_bytes;
        let old = now_ms.saturating_sub(first.index.read().accepted_ms)
            > i64::from(options.keep_hours) * HOUR_MS;
        let plenty = total.saturating_sub(first.end()) >= options.keep_bytes;
        let beyond = total > options.quota_bytes;
        if !(old || plenty || beyond) {
            return Ok(());
        }
        let next = second.header.first_seq;
        if next > cursor || next > shared.history.next_seq() {
            return Ok(());
        }
        if next > snapshot {
            kept.wants_snapshot = beyond;
            return Ok(());
        }
        if let Some(gone) = shared.log.forget_first() {
            options
                .disk
                .remove(&gone.path)
                .map_err(|e| Error::io("remove", &gone.path, e))?;
            kept.dropped_segments += 1;
            shared
                .metrics
                .dropped_segments
                .fetch_add(1, Ordering::Relaxed);
        }
    }
}
