//! Who waits for the verdict on an input, and how it reaches them.
//!
//! An answer leaves only on release: after the frame that holds the input, or the one that it
//! repeats, is durable and the view that shows it is published.

use gemelli_broker::host::Reply;
use gemelli_engine::Verdict;
use gemelli_event::Seq;
use tokio::sync::oneshot;

/// Who waits.
pub enum Answer {
    /// Nobody: the input's number is enough.
    None,
    /// An MQTT connection: it hears of refusals only, before its acknowledgements are released.
    Connection(Reply),
    /// A caller of the API.
    Caller(oneshot::Sender<Outcome>),
}

/// What became of an input.
#[derive(Debug)]
pub struct Outcome {
    /// The engine's verdict.
    pub verdict: Verdict,
    /// Its place in the log, if it has one of its own.
    pub seq: Option<Seq>,
}
