//! Lamps that do not change their state for more than 48 hours.

/// Longest time that a sound lamp keeps its state.
const PATIENCE_MS: i64 = 48 * 3_600_000;

/// How often a lamp's flag rose and fell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flips {
    /// From sound to defective.
    pub raised: u32,
    /// Back again.
    pub cleared: u32,
}

/// What is remembered of a lamp.
#[derive(Clone, Debug, Default)]
pub(super) struct Lamp {
    state: Option<(&'static str, i64)>,
    pub(super) defective: bool,
    pub(super) flips: Flips,
}

impl Lamp {
    /// Takes a report; the flag changes with reports only.
    pub(super) fn report(&mut self, word: &'static str, time_ms: i64) {
        let since = match self.state {
            Some((before, since)) if before == word => since,
            _ => time_ms,
        };
        self.state = Some((word, since));
        let defective = time_ms - since > PATIENCE_MS;
        self.flips.raised += u32::from(defective && !self.defective);
        self.flips.cleared += u32::from(!defective && self.defective);
        self.defective = defective;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lamp_is_defective_after_48_hours_and_not_at_48() {
        let hour = 3_600_000;
        let mut lamp = Lamp::default();
        for (word, hours, defective) in [
            ("off", 0, false),
            ("on", 3, false),
            ("on", 51, false),
            ("on", 52, true),
            ("off", 53, false),
            ("off", 101, false),
            ("off", 102, true),
        ] {
            lamp.report(word, hours * hour);
            assert_eq!(lamp.defective, defective, "{word} {hours}");
        }
        assert_eq!(
            lamp.flips,
            Flips {
                raised: 2,
                cleared: 1
            }
        );
    }
}
