//! Merging: history files that are small and stand side by side become one.
//!
//! A small file costs a descriptor, a footer and a place to look for every reader; a node that is restarted often or
//! seals small segments would collect them without end. One call merges one run of files, so that its work is bounded
//! by [`crate::Options::history_file_bytes`]. A row is written again only when its file at least doubles.
//!
//! The new file is complete, synced and has its name before the old ones go. If the power fails in between, the next
//! start finds files within the range of a larger one, and removes them. Readers go over from the old ones to the
//! new one at one moment.

use super::{
    History, Row,
    file::{HistoryFile, remove},
    parquet::{Group, Writer, footer_of},
};
use crate::{Error, shared::Shared};
use std::{
    ops::Range,
    sync::{Arc, atomic::Ordering},
};

/// Fewer files are merged only if they make half of a full one.
const LEAST: usize = 8;
/// At most so many are merged at once.
const MOST: usize = 32;
/// A file is at most this part of history's quota, so that the quota goes by small steps.
const PART_OF_QUOTA: u64 = 16;
/// Memory that a row takes beside its texts, roughly.
const ROW_BYTES: u64 = 64;

/// A history file, as far as the choice of a run goes.
#[derive(Clone, Copy, Debug)]
struct Piece {
    bytes: u64,
    /// It goes on where the one before it ends, and both may be merged.
    follows: bool,
}

/// Merges one run of files, if there is one. The answer is the number of files that became one; none if there is
/// nothing to merge, no room, or `go_on` said no.
pub(crate) fn merge(shared: &Shared, go_on: &dyn Fn() -> bool) -> Result<usize, Error> {
    let _alone = shared.housekeeping.lock();
    // The log comes first.
    if !shared.make_room() {
        return Ok(0);
    }
    let history = &shared.history;
    let files = history.files();
    let quota = shared.options.history_quota_bytes / PART_OF_QUOTA;
    let limit = shared.options.history_file_bytes.min(quota);
    let run = run_of(&pieces(history, &files), limit).and_then(|run| files.get(run));
    let Some(run) = run else {
        return Ok(0);
    };
    let merged = match join(shared, run, go_on) {
        Ok(Some(merged)) => merged,
        Ok(None) => return Ok(0),
        Err(error) => {
            // They are left alone until the next start: trying again at once would fail again.
            let mut spared = history.spared.lock();
            spared.extend(run.iter().map(|file| file.first));
            return Err(error);
        }
    };
    history.replace(merged);
    let count = &shared.metrics.history_merged;
    count.fetch_add(run.len() as u64, Ordering::Relaxed);
    let old = run
        .iter()
        .map(|file| (file.path.clone(), file.checksums.clone()));
    remove(
        &*shared.options.disk,
        &history.dir,
        &old.collect::<Vec<_>>(),
    )?;
    Ok(run.len())
}

fn pieces(history: &History, files: &[Arc<HistoryFile>]) -> Vec<Piece> {
    let spared = history.spared.lock();
    let mut before = None;
    let piece = |file: &Arc<HistoryFile>| {
        let fit = !spared.contains(&file.first);
        let follows = fit && before == Some(file.first);
        before = fit.then_some(file.next);
        Piece {
            bytes: file.bytes,
            follows,
        }
    };
    files.iter().map(piece).collect()
}

/// The run of files that is merged next: among those that may be, the one whose largest file is the smallest.
fn run_of(pieces: &[Piece], limit: u64) -> Option<Range<usize>> {
    let runs = (0..pieces.len()).filter_map(|start| run_from(pieces, start, limit));
    runs.min_by_key(|(largest, run)| (*largest, run.start))
        .map(|(_, run)| run)
}

/// The longest run that begins with a file and may be merged, and the bytes of its largest file.
fn run_from(pieces: &[Piece], start: usize, limit: u64) -> Option<(u64, Range<usize>)> {
    let (mut sum, mut largest, mut best) = (0, 0, None);
    for (at, piece) in pieces.iter().enumerate().skip(start).take(MOST) {
        sum += piece.bytes;
        if sum > limit || (at > start && !piece.follows) {
            break;
        }
        largest = largest.max(piece.bytes);
        let count = at + 1 - start;
        let enough = count >= LEAST || (count > 1 && sum >= limit / 2);
        if enough && largest <= sum / 2 {
            best = Some((largest, start..at + 1));
        }
    }
    best
}

/// Writes the rows of files, which follow each other, into one. None if `go_on` said no.
fn join(
    shared: &Shared,
    run: &[Arc<HistoryFile>],
    go_on: &dyn Fn() -> bool,
) -> Result<Option<HistoryFile>, Error> {
    let (Some(first), Some(last)) = (run.first(), run.last()) else {
        return Ok(None);
    };
    let disk = &*shared.options.disk;
    let mut writer = Writer::create(disk, &shared.history.dir, first.first, last.next)?;
    match copy(run, &mut writer, shared.options.slice_bytes, go_on) {
        Ok(true) => writer.finish(disk).map(Some),
        Ok(false) => writer.give_up(disk).map(|()| None),
        Err(error) => {
            // The first error is the one to tell; what is left of the file goes at the next start at the latest.
            let _ = writer.give_up(disk);
            Err(error)
        }
    }
}

/// Hands all rows to the writer, in slices. False if `go_on` said no.
fn copy(
    run: &[Arc<HistoryFile>],
    writer: &mut Writer,
    slice_bytes: u64,
    go_on: &dyn Fn() -> bool,
) -> Result<bool, Error> {
    let mut slice = Vec::new();
    let mut held = 0;
    for file in run {
        let footer = footer_of(file)?;
        let mut rows = 0;
        for number in 0..footer.num_row_groups() {
            if !go_on() {
                return Ok(false);
            }
            let group = Group::open(file, &footer, number)?;
            let heads = group.heads(group.all())?;
            let more = group.rows(group.all(), &heads)?;
            rows += more.len() as u64;
            let weight = more.iter().map(weight).sum::<u64>();
            if held + weight > slice_bytes {
                writer.slice(&mut slice)?;
                held = 0;
            }
            held += weight;
            slice.extend(more);
        }
        if rows != file.rows {
            return Err(Error::DamagedHistory {
                file: file.path.clone(),
                what: format!("it has {rows} rows, {} were written", file.rows),
            });
        }
    }
    writer.slice(&mut slice)?;
    Ok(true)
}

fn weight(row: &Row) -> u64 {
    let id = row.id.as_ref().map_or(0, |id| id.len());
    ROW_BYTES + (row.payload.len() + row.twin.as_str().len() + id) as u64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;

    fn pieces(sizes: &[u64]) -> Vec<Piece> {
        let piece = |(at, bytes): (usize, &u64)| Piece {
            bytes: *bytes,
            follows: at > 0,
        };
        sizes.iter().enumerate().map(piece).collect()
    }

    #[test]
    fn few_small_files_wait_until_there_are_enough() {
        assert_eq!(run_of(&pieces(&[1; 7]), 1_000), None);
        assert_eq!(run_of(&pieces(&[1; 8]), 1_000), Some(0..8));
        assert_eq!(run_of(&pieces(&[400, 300, 190]), 1_000), Some(0..3));
        assert_eq!(run_of(&pieces(&[900, 200]), 1_000), None, "too much");
    }

    #[test]
    fn a_large_file_is_not_written_again_for_a_few_small_ones() {
        assert_eq!(run_of(&pieces(&[500, 1, 1, 1, 1, 1, 1, 1]), 1_000), None);
        let mut sizes = vec![500];
        sizes.extend([1; 8]);
        assert_eq!(run_of(&pieces(&sizes), 1_000), Some(1..9));
    }

    #[test]
    fn a_gap_ends_a_run() {
        let mut pieces = pieces(&[1; 12]);
        pieces[6].follows = false;
        assert_eq!(run_of(&pieces, 1_000), None);
        pieces.extend(
            [Piece {
                bytes: 1,
                follows: true,
            }; 2],
        );
        assert_eq!(run_of(&pieces, 1_000), Some(6..14));
    }

    /// Files come for a long time, of like and of very unlike sizes.
    #[test]
    fn the_number_of_files_is_bounded_and_so_is_the_work() {
        let limit = 1_000;
        let of_like: Vec<u64> = vec![3; 5_000];
        let of_unlike = (0..5_000_u64).map(|n| 1 + (n * 7_919) % 97).collect();
        let with_giants = (0..5_000_u64).map(|n| if n % 9 == 0 { 600 } else { 1 });
        for sizes in [of_like, of_unlike, with_giants.collect()] {
            let (mut files, mut written, mut total) = (Vec::new(), 0, 0);
            for bytes in sizes {
                files.push(bytes);
                total += bytes;
                if let Some(run) = run_of(&pieces(&files), limit) {
                    assert!(run.len() <= MOST);
                    let sum: u64 = files[run.clone()].iter().sum();
                    assert!(sum <= limit);
                    written += sum;
                    files.splice(run, [sum]);
                }
            }
            let most = 4 * total / limit + 4 * LEAST as u64;
            assert!((files.len() as u64) < most, "{} of {most}", files.len());
            assert!(written <= 5 * total, "{written} for {total}");
        }
    }
}
