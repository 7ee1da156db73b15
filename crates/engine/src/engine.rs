//! The owner of all twins.

use crate::{Damaged, Definitions, Limits, Rejection, Verdict, View};
use gemelli_event::{
    Body, Partition, Record, Seq,
    record::Command,
};
use gemelli_model::TwinId;
use std::sync::Arc;

/// Single-threaded owner of all twins and definitions.
pub struct Engine {
    limits: Limits,
    definitions: Arc<Definitions>,
}

/// A record that the steps so far make necessary.
#[derive(Clone, Debug, PartialEq)]
pub struct Emission {
    /// Where it belongs.
    pub partition: Partition,
    /// What it says.
    pub body: Body,
    /// The record that it follows from, if known; it may stand in an earlier frame.
    pub cause_seq: Option<Seq>,
}

/// What happened that is no record, counted since the start. Not part of the state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Device times too far ahead of the event clock.
    pub wild_times: u64,
    /// Values that became absent because their chain of roll-ups was too deep.
    pub cycles: u64,
    /// Expressions that failed.
    pub failed_expressions: u64,
    /// Contributions that came after their edge had gone, or after a newer one.
    pub late_contributions: u64,
}

impl Engine {
    /// An engine without twins.
    pub fn new(limits: Limits) -> Self {
        Self { limits, definitions: Arc::default() }
    }

    /// Folds one record. `seq` is its global place. Live and replay alike.
    pub fn step(&mut self, seq: Seq, record: &Record) -> Verdict {
        let _ = (seq, record, &self.limits);
        Verdict::Accepted
    }

    /// End of a wave, live only: the records that the steps since the last flush make necessary.
    pub fn flush(&mut self, out: &mut Vec<Emission>) {
        let _ = out;
    }

    /// After the last wave, live only: one `Body::Derived` per twin whose derived values changed.
    pub fn settle(&mut self, out: &mut Vec<Emission>) {
        let _ = out;
    }

    /// Timers that are due: at most `limit` emissions to step as inputs of the next batch.
    pub fn due(&mut self, now_ms: i64, limit: usize, out: &mut Vec<Emission>) {
        let _ = (now_ms, limit, out);
    }

    /// When [`Engine::due`] has something next, milliseconds since 1970 of accepted time; not later than that.
    pub fn next_due_ms(&self, now_ms: i64) -> Option<i64> {
        let _ = now_ms;
        None
    }

    /// What stepping the command now would say: server-side validation and dry run. The answer is
    /// the one of [`Verdict::Answer`], null where there is none.
    pub fn check(&self, command: &Command) -> Result<gemelli_model::Value, Rejection> {
        let _ = command;
        Ok(gemelli_model::Value::Null)
    }

    /// The present state. Cheap.
    pub fn view(&self) -> View {
        View::new(self.definitions.clone())
    }

    /// Version of the definitions.
    pub fn definitions_version(&self) -> u64 {
        self.definitions.version()
    }

    /// A hash of the whole state: equal for equal records, however they were folded.
    pub fn state_hash(&self) -> u64 {
        0
    }

    /// What happened that is no record.
    pub fn counters(&self) -> Counters {
        Counters::default()
    }

    /// The twins that changed or went since the last call.
    pub fn take_dirty(&mut self) -> Vec<TwinId> {
        Vec::new()
    }

    /// Everything that is not a twin's: definitions, clocks, what is still to be emitted.
    pub fn encode_meta(&self) -> Vec<u8> {
        Vec::new()
    }

    /// First step of loading a snapshot.
    ///
    /// # Errors
    /// The bytes do not decode.
    pub fn load_meta(&mut self, bytes: &[u8]) -> Result<(), Damaged> {
        let _ = bytes;
        Ok(())
    }

    /// Then every twin, in any order.
    ///
    /// # Errors
    /// The bytes do not decode, or name an interface that is not there.
    pub fn load_twin(&mut self, id: &TwinId, bytes: &[u8]) -> Result<(), Damaged> {
        let _ = (id, bytes);
        Ok(())
    }

    /// Last step of loading: timers and indexes.
    ///
    /// # Errors
    /// The entries do not fit each other.
    pub fn finish_load(&mut self) -> Result<(), Damaged> {
        Ok(())
    }
}
