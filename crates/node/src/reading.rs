//! Reading back: records of the log, rows of history.

use gemelli_event::{Record, Seq};
use gemelli_store::{Error, Store};

pub use gemelli_store::{Error as Unreadable, Kind, Page, Query, Row};

/// Records that one read of the log looks at: it may be more by the rest of a frame.
pub const RECORDS: usize = 8_192;

/// Part of the log.
#[derive(Debug, Default)]
pub struct Read<T> {
    /// What was collected.
    pub taken: T,
    /// Where the next read starts.
    pub next: Seq,
    /// How many records from the start on the log no longer holds.
    pub lost: u64,
}

/// Looks at records from `from` on, before `until`, until `take` answers false for one that it took, or about
/// [`RECORDS`] were looked at. What is no longer kept is skipped and counted.
pub fn log<T: Default>(
    store: &Store,
    from: Seq,
    until: Seq,
    take: impl FnMut(&mut T, Seq, &Record) -> bool,
) -> Read<T> {
    let mut read = Read {
        taken: T::default(),
        next: from,
        lost: 0,
    };
    let first = store.first_seq();
    if from < first {
        read.lost = first - from;
        read.next = first;
    }
    match fill(store, until, &mut read, take) {
        Ok(()) => {}
        Err(Error::NotKept { first, .. }) => {
            read.lost += first.saturating_sub(read.next);
            read.next = read.next.max(first);
        }
        Err(error) => tracing::error!(%error, from, "the log cannot be read"),
    }
    read
}

/// Rows of all twins after a place, in the order of the log, until one is not taken: the answer is the
/// place of the last one that was, if there are more.
pub fn rows(
    store: &Store,
    after: Option<Seq>,
    mut take: impl FnMut(&Row) -> bool,
) -> Result<Option<Seq>, Error> {
    let from = after.map_or(0, |seq| seq.saturating_add(1));
    let (mut last, mut more) = (after, false);
    store.scan_history(from, |row| {
        if take(row) {
            last = Some(row.seq);
        } else {
            more = true;
        }
        !more
    })?;
    Ok(last.filter(|_| more))
}

fn fill<T>(
    store: &Store,
    until: Seq,
    read: &mut Read<T>,
    mut take: impl FnMut(&mut T, Seq, &Record) -> bool,
) -> Result<(), Error> {
    let mut frames = store.frames(read.next)?;
    let mut seen = 0;
    while seen < RECORDS && read.next < until {
        let Some(frame) = frames.next_frame()? else {
            break;
        };
        for (seq, record) in (frame.first_seq..).zip(&frame.records) {
            if seq < read.next || seq >= until {
                continue;
            }
            seen += 1;
            read.next = seq + 1;
            if !take(&mut read.taken, seq, record) {
                return Ok(());
            }
        }
    }
    Ok(())
}
