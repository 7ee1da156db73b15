//! The ids of the last events accepted for a twin, per source: by them a repeated event is known.
//!
//! A window per source, one after the other in one piece of memory, because a twin is copied for
//! every view: `source, last use, ids ever noted, room, ids…`. The room doubles up to the window's size.

/// Words before a window's ids.
const HEAD: usize = 4;
/// Ids for which a new window has room.
const FIRST_ROOM: usize = 4;

/// The last accepted ids, as hashes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Marks(Box<[u64]>);

/// One source's last ids.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Window<'a> {
    pub source: u64,
    /// Offset of the record that used it last.
    pub used: u64,
    /// Ids ever noted: the next one's place in the ring is this, modulo the ring's size.
    pub noted: u64,
    /// The ring, as far as it is filled.
    pub ids: &'a [u64],
}

impl Marks {
    /// The windows, in the order in which their sources came.
    pub(crate) fn windows(&self) -> impl Iterator<Item = Window<'_>> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || {
            let (&[source, used, noted, room], tail) = rest.split_first_chunk::<HEAD>()?;
            let (ring, tail) = tail.split_at_checked(room as usize)?;
            rest = tail;
            let filled = ring.len().min(usize::try_from(noted).unwrap_or(usize::MAX));
            Some(Window {
                source,
                used,
                noted,
                ids: ring.get(..filled).unwrap_or_default(),
            })
        })
    }

    /// Marks of these windows.
    pub(crate) fn of<'a>(windows: impl Iterator<Item = Window<'a>>) -> Self {
        let mut words = Vec::new();
        for Window {
            source,
            used,
            noted,
            ids,
        } in windows
        {
            words.extend([source, used, noted, ids.len() as u64]);
            words.extend(ids);
        }
        Self(words.into())
    }

    /// Whether the source sent this id before, within its window.
    pub(crate) fn knows(&self, source: u64, id: u64) -> bool {
        self.windows()
            .find(|w| w.source == source)
            .is_some_and(|w| w.ids.contains(&id))
    }

    /// Remembers an id; at most `window` of a source, at most `sources` sources: the one that was
    /// silent longest makes room.
    pub(crate) fn note(
        &mut self,
        source: u64,
        id: u64,
        offset: u64,
        window: usize,
        sources: usize,
    ) {
        let window = window.max(1);
        let Some((at, found)) = self.find(source) else {
            let mut kept: Vec<_> = self.windows().collect();
            if kept.len() >= sources.max(1) {
                let oldest = kept
                    .iter()
                    .enumerate()
                    .min_by_key(|(_, w)| w.used)
                    .map(|(at, _)| at);
                kept.remove(oldest.unwrap_or_default());
            }
            let mut words = Self::of(kept.into_iter()).0.into_vec();
            let room = FIRST_ROOM.min(window);
            words.extend([source, offset, 1, room as u64, id]);
            words.resize(words.len() + room - 1, 0);
            self.0 = words.into();
            return;
        };
        let (noted, room) = (found.noted, self.room(at));
        if noted >= room as u64 && room < window {
            self.grow(at, room, (room * 2).min(window));
            return self.note(source, id, offset, window, sources);
        }
        let place = at + HEAD + (noted % room.max(1) as u64) as usize;
        for (at, word) in [(place, id), (at + 1, offset), (at + 2, noted + 1)] {
            if let Some(place) = self.0.get_mut(at) {
                *place = word;
            }
        }
    }

    /// Where a source's window begins.
    fn find(&self, source: u64) -> Option<(usize, Window<'_>)> {
        let mut at = 0;
        for window in self.windows() {
            if window.source == source {
                return Some((at, window));
            }
            at += HEAD + self.room(at);
        }
        None
    }

    fn room(&self, at: usize) -> usize {
        self.0.get(at + 3).map_or(0, |room| *room as usize)
    }

    /// Gives a full window more room, the oldest id first, so that noting goes on behind the newest.
    fn grow(&mut self, at: usize, room: usize, larger: usize) {
        let mut words = std::mem::take(&mut self.0).into_vec();
        let first = at + HEAD;
        if let Some([_, _, noted, held]) = words
            .get_mut(at..first)
            .and_then(|head| head.first_chunk_mut::<HEAD>())
        {
            let oldest = (*noted % room.max(1) as u64) as usize;
            (*noted, *held) = (room as u64, larger as u64);
            if let Some(ring) = words.get_mut(first..first + room) {
                ring.rotate_left(oldest);
            }
            words.splice(
                first + room..first + room,
                std::iter::repeat_n(0, larger - room),
            );
        }
        self.0 = words.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    #[test]
    fn it_remembers_the_last_ids_of_each_source() {
        for window in [1, 3, 4, 5, 32] {
            let mut marks = Marks::default();
            let mut model: [VecDeque<u64>; 3] = Default::default();
            for step in 0..400_u64 {
                let source = step * step % 3;
                marks.note(source, step, step, window, 3);
                let ids = &mut model[source as usize];
                ids.push_back(step);
                if ids.len() > window {
                    ids.pop_front();
                }
                for (source, ids) in (0..).zip(&model) {
                    for id in 0..=step {
                        assert_eq!(
                            marks.knows(source, id),
                            ids.contains(&id),
                            "{window} {step} {source} {id}"
                        );
                    }
                }
                if step % 7 == 0 {
                    marks = Marks::of(marks.windows());
                }
            }
        }
    }

    #[test]
    fn the_source_that_was_silent_longest_is_forgotten() {
        let mut marks = Marks::default();
        for (offset, source) in [(0, 1), (1, 2), (2, 1), (3, 3)] {
            marks.note(source, 7, offset, 32, 2);
        }
        assert!(marks.knows(1, 7) && !marks.knows(2, 7) && marks.knows(3, 7));
    }
}
