//! Reading history: files first, then the part of the log that is not in files yet.

use super::{
    Kind, Row, Walk,
    file::HistoryFile,
    parquet::{Group, Head},
};
use crate::{
    Error,
    frame::{Mark, mark_of},
    read::{body_of, damaged, header_of},
    scan::Window,
    segment::{HEADER_BYTES, Segment},
    shared::Shared,
};
use gemelli_event::{Seq, codec::Decoder};
use gemelli_model::TwinId;
use std::{collections::BTreeMap, sync::Arc};

/// Which rows of a twin's history are wanted.
#[derive(Clone, Debug)]
pub struct Query {
    /// The twin.
    pub twin: TwinId,
    /// From this time on, milliseconds since 1970: the device's time, or when it was accepted if there is none.
    pub from_ms: i64,
    /// Before this time.
    pub to_ms: i64,
    /// Only rows after this place: the `next` of the page before.
    pub after: Option<Seq>,
    /// At most so many rows.
    pub limit: usize,
    /// Only rows of these kinds; none: all.
    pub kinds: Option<Vec<Kind>>,
}

impl Query {
    /// All of a twin's history, `limit` rows at a time.
    pub fn of(twin: TwinId, limit: usize) -> Self {
        Self {
            twin,
            from_ms: i64::MIN,
            to_ms: i64::MAX,
            after: None,
            limit,
            kinds: None,
        }
    }

    fn wants(&self, seq: Seq, when_ms: i64, kind: Kind) -> bool {
        self.after.is_none_or(|after| seq > after)
            && when_ms >= self.from_ms
            && when_ms < self.to_ms
            && self
                .kinds
                .as_ref()
                .is_none_or(|kinds| kinds.contains(&kind))
    }
}

/// Rows in the order of the log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The rows.
    pub rows: Vec<Row>,
    /// There may be more after this place.
    pub next: Option<Seq>,
}

/// Rows of history by interface and kind.
pub type Counts = BTreeMap<(Option<String>, Kind), u64>;

/// One twin's history.
pub(crate) fn query(shared: &Shared, query: &Query) -> Result<Page, Error> {
    // In this order: a segment that becomes history meanwhile is then seen at least once, and files win.
    let segments = shared.log.all();
    let marks: Vec<Vec<Mark>> = segments
        .iter()
        .map(|segment| marks_of(segment, query))
        .collect();
    let files = shared.history.files();
    let covered = files.last().map_or(0, |file| file.next);
    let mut found = Found {
        query,
        rows: Vec::new(),
    };
    for file in &files {
        let past = query
            .after
            .is_some_and(|after| file.next <= after.saturating_add(1));
        if past || file.times.0 >= query.to_ms || file.times.1 < query.from_ms {
            continue;
        }
        if found.is_full() {
            break;
        }
        in_file(shared, file, &mut found)?;
    }
    for (segment, marks) in segments.iter().zip(marks) {
        if found.is_full() {
            break;
        }
        if segment.next_seq() > covered {
            in_segment(shared, segment, &marks, covered, &mut found)?;
        }
    }
    let Found { mut rows, .. } = found;
    let more = rows.len() > query.limit;
    rows.truncate(query.limit);
    let next = rows.last().map(|row| row.seq).filter(|_| more);
    Ok(Page { rows, next })
}

struct Found<'a> {
    query: &'a Query,
    rows: Vec<Row>,
}

impl Found<'_> {
    /// One more than asked for tells that there is more.
    fn room(&self) -> usize {
        self.query
            .limit
            .saturating_add(1)
            .saturating_sub(self.rows.len())
    }

    fn is_full(&self) -> bool {
        self.room() == 0
    }
}

fn in_file(shared: &Shared, file: &HistoryFile, found: &mut Found<'_>) -> Result<(), Error> {
    let footer = shared.history.footers.get(file)?;
    for number in 0..footer.num_row_groups() {
        if found.is_full() {
            return Ok(());
        }
        let group = Group::open(file, &footer, number)?;
        let rows = group.rows_of(found.query.twin.as_str())?;
        if rows.is_empty() {
            continue;
        }
        let heads = group.heads(rows.clone())?;
        let wants = |head: &Head| {
            found.query.wants(
                head.seq,
                head.time_ms.unwrap_or(head.accepted_ms),
                head.kind,
            )
        };
        let wanted = heads
            .iter()
            .enumerate()
            .filter(|(_, head)| wants(head))
            .map(|(i, _)| i);
        let wanted: Vec<usize> = wanted.take(found.room()).collect();
        let (Some(first), Some(last)) = (wanted.first(), wanted.last()) else {
            continue;
        };
        let span = heads.get(*first..=*last).unwrap_or_default();
        let read = group.rows(rows.start + first..rows.start + last + 1, span)?;
        found.rows.extend(
            read.into_iter()
                .enumerate()
                .filter_map(|(i, row)| wanted.binary_search(&(first + i)).is_ok().then_some(row)),
        );
    }
    Ok(())
}

/// Where a twin's records stand in a segment, as far as the query's place allows to leave some out.
fn marks_of(segment: &Segment, query: &Query) -> Vec<Mark> {
    let twin = mark_of(query.twin.as_str());
    let from = query.after.map_or(0, |after| segment.before_seq(after));
    let index = segment.index.read();
    let start = index
        .marks
        .partition_point(|mark| u64::from(mark.place) < from);
    let marks = index.marks.get(start..).unwrap_or_default().iter();
    marks.filter(|mark| mark.twin == twin).copied().collect()
}

fn in_segment(
    shared: &Shared,
    segment: &Segment,
    marks: &[Mark],
    covered: Seq,
    found: &mut Found<'_>,
) -> Result<(), Error> {
    let end = segment.end();
    let mut window = Window::default();
    let mut place = HEADER_BYTES as u64;
    let mut marks = marks.iter().peekable();
    while let Some(mark) = marks.peek() {
        let wanted = u64::from(mark.place);
        place = place.max(segment.before_place(wanted));
        let header = header_of(shared, &mut window, segment, place, end)?;
        let next = place + header.total();
        if wanted >= next {
            place = next;
            continue;
        }
        let body = body_of(shared, &mut window, segment, place, &header)?;
        let body_at = place + crate::frame::HEADER_BYTES as u64;
        let wrong = |e: gemelli_event::codec::Damaged| damaged(segment, place, &e.to_string());
        let mut decoder = Decoder::new(body, header.base_ms).map_err(wrong)?;
        while let Some(mark) = marks.next_if(|mark| u64::from(mark.place) < next) {
            if found.is_full() {
                return Ok(());
            }
            let seq = header.first_seq + u64::from(mark.index);
            if seq < covered || found.query.after.is_some_and(|after| seq <= after) {
                continue;
            }
            decoder.seek((u64::from(mark.place) - body_at) as usize);
            let Some(record) = decoder.next().map_err(wrong)? else {
                continue;
            };
            if let Some(row) = Row::of(seq, &record)
                && row.twin == found.query.twin
                && found.query.wants(seq, row.when_ms(), row.kind)
                && (shared.options.keep)(&record)
            {
                found.rows.push(row);
            }
        }
        place = next;
    }
    Ok(())
}

/// The segments and files that history consists of now, files first.
fn parts(shared: &Shared) -> (Vec<Arc<HistoryFile>>, Vec<Arc<Segment>>, Seq) {
    let mut segments = shared.log.all();
    let files = shared.history.files();
    let covered = files.last().map_or(0, |file| file.next);
    segments.retain(|segment| segment.next_seq() > covered);
    (files, segments, covered)
}

/// All rows from a place on, in the order of the log.
pub(crate) fn scan(
    shared: &Shared,
    from: Seq,
    each: &mut dyn FnMut(&Row) -> bool,
) -> Result<(), Error> {
    let (files, segments, covered) = parts(shared);
    for file in files.iter().filter(|file| file.next > from) {
        let footer = shared.history.footers.get(file)?;
        for number in 0..footer.num_row_groups() {
            let group = Group::open(file, &footer, number)?;
            let heads = group.heads(group.all())?;
            let mut rows = group.rows(group.all(), &heads)?;
            rows.sort_unstable_by_key(|row| row.seq);
            for row in rows.iter().filter(|row| row.seq >= from) {
                if !each(row) {
                    return Ok(());
                }
            }
        }
    }
    let from = from.max(covered);
    for segment in &segments {
        let mut walk = Walk::new(segment, segment.before_seq(from));
        while let Some((_, header, records)) = walk.next(shared)? {
            for (seq, record) in (header.first_seq..).zip(&records) {
                if seq >= from
                    && (shared.options.keep)(record)
                    && let Some(row) = Row::of(seq, record)
                    && !each(&row)
                {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// Rows by interface and kind. Reads two columns of the files, and the log's part as a whole.
pub(crate) fn counts(shared: &Shared) -> Result<Counts, Error> {
    let mut counts = Counts::new();
    let mut count = |interface: Option<&str>, kind| {
        *counts
            .entry((interface.map(str::to_owned), kind))
            .or_default() += 1
    };
    let (files, segments, covered) = parts(shared);
    for file in &files {
        let footer = shared.history.footers.get(file)?;
        for number in 0..footer.num_row_groups() {
            Group::open(file, &footer, number)?.kinds(&mut count)?;
        }
    }
    for segment in &segments {
        let mut walk = Walk::new(segment, segment.before_seq(covered));
        while let Some((_, header, records)) = walk.next(shared)? {
            for (seq, record) in (header.first_seq..).zip(&records) {
                if seq >= covered
                    && (shared.options.keep)(record)
                    && let Some(row) = Row::of(seq, record)
                {
                    count(row.interface.as_ref().map(|i| i.as_str()), row.kind);
                }
            }
        }
    }
    Ok(counts)
}
