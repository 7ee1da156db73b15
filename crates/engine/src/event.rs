//! Events: what a report, a store event, a command or a message to the device does to its twin.

use crate::{
    Engine, Lifecycle, Rejection, Verdict,
    clock::EARLIEST_MS,
    command::stop::stopped,
    derive::{Change, Moment},
    engine::Judged,
    hashing::mark,
    lifecycle, payload,
    state::unknown_twin,
    twin::{NEVER, Twin},
};
use gemelli_event::{Category, Record, Seq, record::Event};
use gemelli_model::nearest;
use std::sync::Arc;

impl Engine {
    /// Folds an event.
    pub(crate) fn event(&mut self, seq: Seq, record: &Record, event: &Event) -> Verdict {
        let judged = self.side.judged;
        if event.category == Category::Command
            && let Err(rejection) = judged.by(|| self.check_command(event))
        {
            return Verdict::Rejected(rejection);
        }
        if !self.side.outbox.emits.is_empty() {
            self.forget_emit(event);
        }
        let Self { state, side } = self;
        let withdrawals = state.definitions.withdrawals();
        // The twin under this very id first: only spellings that differ in case need a second look.
        let partition = record.position.partition;
        let shared = if state.has(partition, event.twin.as_str()) {
            state.get_mut(Some(partition), event.twin.as_str())
        } else {
            let meant = state.meant(event.twin.as_str()).map(|twin| twin.id.clone());
            meant.and_then(|id| state.get_mut(None, id.as_str()))
        };
        let Some(shared) = shared else {
            return Verdict::Rejected(unknown_twin(event.twin.as_str()));
        };
        if judged == Judged::Now && shared.lifecycle == Lifecycle::Stopped {
            return Verdict::Rejected(stopped(&shared.id));
        }
        if let Err(rejection) = judged.by(|| check_interface(shared, event)) {
            return Verdict::Rejected(rejection);
        }
        if let Some(definitions) = withdrawals
            && let Err(rejection) = definitions.check_writable(shared.interface.id())
        {
            return Verdict::Rejected(rejection);
        }
        // What functions post repeats the id of the event that they answer: only what comes from
        // devices and twins is known by its id.
        let mark = match (&event.id, event.category) {
            (Some(id), Category::Real | Category::Command) => {
                let source = event.source.as_deref().unwrap_or(event.twin.as_str());
                Some((mark(source), mark(id)))
            }
            _ => None,
        };
        if judged == Judged::Now && mark.is_some_and(|(source, id)| shared.marks.knows(source, id))
        {
            return Verdict::Duplicate;
        }
        if event.category != Category::Command {
            let read = payload::read(
                &shared.interface,
                &shared.cells,
                &event.payload,
                &mut side.members,
            );
            if let Err(rejection) = read {
                return Verdict::Rejected(rejection);
            }
        }
        let twin = Arc::make_mut(shared);
        let offset = record.position.offset;
        if let Some((source, id)) = mark {
            let (window, sources) = (side.limits.dedup_window, side.limits.dedup_sources);
            twin.marks.note(source, id, offset, window, sources);
            side.note_dirty(twin);
        }
        if !matches!(event.category, Category::Real | Category::Store) {
            return Verdict::Accepted;
        }
        let now_ms = if event.category == Category::Real {
            side.report_time(twin, record, event)
        } else {
            side.moment(seq, record, twin).now_ms
        };
        let at = Moment {
            seq,
            position: record.position,
            accepted_ms: record.accepted_ms,
            now_ms,
        };
        let mut members = std::mem::take(&mut side.members);
        let mut change = Change { twin, side, at };
        change.begin();
        for (slot, value) in members.drain(..) {
            let value = match event.category {
                Category::Store => payload::merge(
                    change.twin.value(slot),
                    value,
                    change.twin.interface.resolved().ignore_case,
                ),
                _ => value,
            };
            change.set(slot, value);
        }
        change.compute();
        side.members = members;
        if event.category == Category::Real {
            let before = twin.lifecycle;
            lifecycle::reported(twin, &mut side.timers, now_ms);
            let after = twin.lifecycle;
            if before != after {
                state.count_lifecycle(before, -1);
                state.count_lifecycle(after, 1);
            }
        }
        Verdict::Accepted
    }

    /// A command reaches a twin only along a relationship of its sender, and only if it is one of
    /// the twin's commands, with what the command asks for.
    fn check_command(&self, event: &Event) -> Result<(), Rejection> {
        let receiver = self.state.find(event.twin.as_str())?;
        let Some(command) = &event.command else {
            let reason = format!("the command event for {} names no command", receiver.id);
            return Err(Rejection::new(
                "missing-field",
                reason,
                "name it in the type: ktwin.command.<interface>.<command>",
            ));
        };
        if let Some(sender) = &command.sender {
            let sender = self.state.find(sender.as_str())?;
            if !sender.out().any(|(_, edge)| edge.target == receiver.id) {
                let reason = format!(
                    "twin {} has no relationship with {}",
                    sender.id, receiver.id
                );
                return Err(Rejection::new(
                    "no-relationship",
                    reason,
                    "relate the two first",
                ));
            }
        }
        let resolved = receiver.interface.resolved();
        let value = payload::check_json(if event.payload.is_empty() {
            b"null"
        } else {
            &event.payload
        })?;
        match resolved.command(&command.name) {
            None if resolved.open => Ok(()),
            None => {
                let known = resolved.commands.iter().map(|c| &*c.item.name);
                let remedy = nearest::name(&command.name, known).map_or_else(
                    || "declare it in the interface".into(),
                    |near| format!("did you mean {near}?"),
                );
                let reason = format!("interface {} has no command {}", resolved.id, command.name);
                Err(Rejection::new("unknown-command", reason, remedy))
            }
            Some(declared) => match &declared.request {
                None => Ok(()),
                Some(schema) => {
                    let fits = if resolved.open {
                        schema.check_leniently(&value)
                    } else {
                        schema.check(&value)
                    };
                    fits.map(|_| ()).map_err(|mismatch| {
                        let reason = format!(
                            "command {} of interface {}: {mismatch}",
                            declared.name, resolved.id
                        );
                        Rejection::new(mismatch.code, reason, format!("send {}", mismatch.expected))
                    })
                }
            },
        }
    }

    /// An event that the engine made itself is in the log: it need not be emitted again.
    fn forget_emit(&mut self, event: &Event) {
        let sender = match event.category {
            Category::Virtual => &event.twin,
            Category::Command => match event.command.as_ref().and_then(|c| c.sender.as_ref()) {
                Some(sender) => sender,
                None => return,
            },
            Category::Real | Category::Store => return,
        };
        let Some((property, offset)) = event.id.as_deref().and_then(crate::flush::parse_emit_id)
        else {
            return;
        };
        let Some(slot) = self
            .state
            .get(sender.as_str())
            .and_then(|twin| twin.interface.slot_of(property))
        else {
            return;
        };
        let key = (sender.clone(), slot);
        if self
            .side
            .outbox
            .emits
            .get(&key)
            .is_some_and(|emit| emit.stamp <= offset)
        {
            self.side.outbox.emits.remove(&key);
        }
    }
}

/// The event must name the twin's interface, or one that it extends.
fn check_interface(twin: &Twin, event: &Event) -> Result<(), Rejection> {
    let (own, named) = (&twin.interface, event.interface.as_str());
    let id = own.id().as_str();
    if id == named
        || named.is_empty()
        || (own.resolved().ignore_case && id.eq_ignore_ascii_case(named))
        || own.is_a(named)
    {
        return Ok(());
    }
    let reason = format!("twin {} is of interface {id}, not {named}", twin.id);
    Err(Rejection::new(
        "unknown-interface",
        reason,
        format!("send it to interface {id}"),
    ))
}

impl crate::engine::Side {
    /// When the report was made, by the clock of the twin's interface; moves the clocks on.
    fn report_time(&mut self, twin: &mut Twin, record: &Record, event: &Event) -> i64 {
        let now_ms = if !twin.interface.event_time() {
            record.accepted_ms
        } else {
            let time_ms = match event.time_ms.filter(|ms| *ms >= EARLIEST_MS) {
                Some(ms) => {
                    let seen = self.clock.observe(
                        ms,
                        mark(twin.id.as_str()),
                        self.limits.clock_jump_ms,
                        record.accepted_ms,
                    );
                    self.counters.wild_times += u64::from(seen.wild);
                    seen.time_ms
                }
                None => self.clock.now_ms.unwrap_or(record.accepted_ms),
            };
            if twin.clock_ms == NEVER {
                time_ms
            } else {
                time_ms.max(twin.clock_ms)
            }
        };
        twin.clock_ms = now_ms;
        now_ms
    }
}
