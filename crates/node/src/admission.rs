//! The admission queue: the one place where input waits.
//!
//! Promises: inputs are numbered in the order in which the driver takes them; what waits is bounded
//! in bytes (each input costs its payload and [`OVERHEAD_BYTES`], which bounds the count too); whoever
//! waits for room is served in turn; a closed queue says why it is closed.
//! It does not look into inputs and does not know the log.

use crate::answer::Answer;
use bytes::Bytes;
use gemelli_broker::host::Presence;
use gemelli_event::{Body, record::Command};
use parking_lot::{Condvar, Mutex};
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;

/// What an input costs beside its payload, bytes: more than its structures take.
pub const OVERHEAD_BYTES: usize = 512;

/// What comes in: the closed list of the driver's inputs.
#[derive(Debug)]
pub enum Entry {
    /// Something that becomes a record as it is.
    Record(Body),
    /// What a command would do: judged in its turn, not done.
    Check(Command),
    /// What an MQTT client published.
    Published(Box<Published>),
    /// An MQTT client that publishes came or went.
    Client(Presence),
}

/// What an MQTT client published.
#[derive(Debug)]
pub struct Published {
    /// The client.
    pub client: Arc<str>,
    /// The broker's record that stands before it in the same frame, whatever becomes of it; empty if none.
    pub journal: Bytes,
    /// The broker's record that stands after it in the same frame, if it is accepted; empty if none.
    pub retained: Bytes,
    /// What a mapping reads from it beside: whether the device is there.
    pub also: Option<Body>,
    /// The event, message or dead letter.
    pub body: Body,
    /// The client's connection says whether the twin is bound.
    pub binds: bool,
    /// It is a will, promised when the client connected.
    pub will: bool,
}

impl Entry {
    /// Whether it is taken while admission is held: what the broker and the driver have to note of what is
    /// so already. What they may write is what the reserve of disk and memory is for.
    fn passes_hold(&self) -> bool {
        match self {
            Self::Client(_) | Self::Record(Body::Session(_)) => true,
            Self::Published(published) => published.will,
            Self::Record(_) | Self::Check(_) => false,
        }
    }
}

/// An input that has been given its number.
pub struct Input {
    /// Its admission number: rises by one per input of this process, from 1.
    pub number: u64,
    /// What happened.
    pub entry: Entry,
    /// Who waits for the verdict.
    pub answer: Answer,
    /// When it was admitted, for the stage latencies only.
    pub admitted: Instant,
    /// What it costs of the backlog, bytes.
    pub cost: u32,
}

/// An input on its way in.
pub struct Offer {
    /// What happened.
    pub entry: Entry,
    /// Who waits for the verdict.
    pub answer: Answer,
}

impl Offer {
    /// Something that nobody waits for.
    pub fn new(body: Body) -> Self {
        Self {
            entry: Entry::Record(body),
            answer: Answer::None,
        }
    }

    fn cost(&self) -> usize {
        OVERHEAD_BYTES
            + match &self.entry {
                Entry::Record(body) => weight(body),
                Entry::Published(published) => {
                    published.journal.len() + published.retained.len() + weight(&published.body)
                }
                Entry::Check(command) => weight_of(command),
                Entry::Client(_) => 0,
            }
    }
}

/// Why the queue takes nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// More waits than the backlog may hold.
    #[error("the backlog of {0} bytes is full, try again in a second")]
    Full(u32),
    /// The process uses more memory than it may.
    #[error(
        "the node uses more memory than its limit of {0} bytes, try again later or raise the limit"
    )]
    Memory(u64),
    /// The disk has no space for more.
    #[error("the disk is full: reads go on, writes wait until space is freed in the data folder")]
    DiskFull,
    /// A write or sync of the log failed: the node only reads from here on.
    #[error(
        "the log could not be written ({0}): the node serves its last durable state, restart it once the disk is well"
    )]
    ReadOnly(String),
    /// The node stops.
    #[error("the node is stopping, connect again once it is back")]
    Stopping,
}

impl Closed {
    /// The error's stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Full(_) | Self::Memory(_) => "backlog-full",
            Self::DiskFull => "disk-full",
            Self::ReadOnly(_) | Self::Stopping => "read-only",
        }
    }
}

struct Queue {
    waiting: VecDeque<Input>,
    last: u64,
    nudged: bool,
    held: Option<Closed>,
    closed: Option<Closed>,
}

/// The queue between everything that brings input and the driver.
pub struct Admission {
    queue: Mutex<Queue>,
    filled: Condvar,
    room: Semaphore,
    capacity: u32,
}

/// What the driver finds when it asks for input.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken {
    /// Inputs, or a nudge, or nothing by the deadline.
    Go,
    /// The queue is closed for good and empty.
    Ended,
}

impl Admission {
    /// A queue that holds at most `capacity` bytes.
    pub fn new(capacity: u32) -> Self {
        Self {
            queue: Mutex::new(Queue {
                waiting: VecDeque::new(),
                last: 0,
                nudged: false,
                held: None,
                closed: None,
            }),
            filled: Condvar::new(),
            room: Semaphore::new(capacity as usize),
            capacity,
        }
    }

    /// Queues `offers` next to each other, once there is room; answers with the number of the last one.
    /// Of nothing, the number of the last input so far.
    pub async fn admit(&self, offers: Vec<Offer>) -> Result<u64, Closed> {
        let cost = self.cost(&offers);
        if let Some(why) = self.closed_to(&offers) {
            return Err(why);
        }
        match self.room.acquire_many(cost).await {
            Ok(permit) => permit.forget(),
            Err(_) => return Err(self.closed().unwrap_or(Closed::Stopping)),
        }
        self.push(offers, cost)
    }

    /// As [`Admission::admit`], but waits at most `patience`.
    pub async fn admit_within(
        &self,
        offers: Vec<Offer>,
        patience: Duration,
    ) -> Result<u64, Closed> {
        tokio::time::timeout(patience, self.admit(offers))
            .await
            .unwrap_or(Err(Closed::Full(self.capacity)))
    }

    /// Queues at once or not at all: for the node's own input from threads that must not wait.
    pub fn admit_now(&self, offers: Vec<Offer>) -> Result<u64, Closed> {
        let cost = self.cost(&offers);
        match self.room.try_acquire_many(cost) {
            Ok(permit) => permit.forget(),
            Err(_) => return Err(self.closed().unwrap_or(Closed::Full(self.capacity))),
        }
        self.push(offers, cost)
    }

    /// What a set costs: one larger than the whole backlog takes all of it, alone.
    fn cost(&self, offers: &[Offer]) -> u32 {
        let cost: usize = offers.iter().map(Offer::cost).sum();
        u32::try_from(cost).unwrap_or(u32::MAX).min(self.capacity)
    }

    fn push(&self, offers: Vec<Offer>, cost: u32) -> Result<u64, Closed> {
        let mut queue = self.queue.lock();
        if let Some(why) = queue.closed.clone() {
            drop(queue);
            self.room.add_permits(cost as usize);
            return Err(why);
        }
        let (mut offers, mut left, mut refused) = (offers, cost, None);
        if let Some(why) = queue.held.clone() {
            let before = offers.len();
            offers.retain(|offer| offer.entry.passes_hold());
            if offers.len() < before {
                left = self.cost(&offers).min(cost);
                self.room.add_permits((cost - left) as usize);
                refused = Some(why);
            }
        }
        let admitted = Instant::now();
        let mut offers = offers.into_iter().peekable();
        while let Some(offer) = offers.next() {
            let own = if offers.peek().is_none() {
                left
            } else {
                (offer.cost() as u32).min(left)
            };
            left -= own;
            queue.last += 1;
            let number = queue.last;
            queue.waiting.push_back(Input {
                number,
                entry: offer.entry,
                answer: offer.answer,
                admitted,
                cost: own,
            });
        }
        let last = queue.last;
        drop(queue);
        self.filled.notify_one();
        refused.map_or(Ok(last), Err)
    }

    /// For the driver: moves what waits, up to a frame's bounds, to `out`; waits until `deadline` for it.
    pub fn take(
        &self,
        inputs: usize,
        bytes: usize,
        deadline: Option<Instant>,
        out: &mut Vec<Input>,
    ) -> Taken {
        let mut queue = self.queue.lock();
        while queue.waiting.is_empty() && !queue.nudged {
            if queue.closed.is_some() {
                return Taken::Ended;
            }
            match deadline {
                None => self.filled.wait(&mut queue),
                Some(at) => {
                    if self.filled.wait_until(&mut queue, at).timed_out() {
                        break;
                    }
                }
            }
        }
        queue.nudged = false;
        let mut cost = 0usize;
        while out.len() < inputs {
            let Some(next) = queue.waiting.front() else {
                break;
            };
            if !out.is_empty() && cost + next.cost as usize > bytes {
                break;
            }
            cost += next.cost as usize;
            out.extend(queue.waiting.pop_front());
        }
        drop(queue);
        self.room.add_permits(cost);
        Taken::Go
    }

    /// Wakes the driver although there may be no input.
    pub fn nudge(&self) {
        self.queue.lock().nudged = true;
        self.filled.notify_one();
    }

    /// Takes no more. What waits is still served; everybody who waits for room is refused.
    pub fn close(&self, why: Closed) {
        let mut queue = self.queue.lock();
        queue.closed.get_or_insert(why);
        drop(queue);
        self.room.close();
        self.filled.notify_all();
    }

    /// Refuses new input until it is called with `None`: all but the broker's own records, clients that come and
    /// go, and wills, which are taken also out of a set of which the rest is refused. What waits is still served.
    pub fn hold(&self, why: Option<Closed>) {
        self.queue.lock().held = why;
    }

    /// Drops what waits: nothing will serve it. Its answers are told so by being dropped.
    pub fn clear(&self) {
        let waiting = std::mem::take(&mut self.queue.lock().waiting);
        drop(waiting);
    }

    /// Why it takes nothing, if so.
    pub fn closed(&self) -> Option<Closed> {
        let queue = self.queue.lock();
        queue.closed.clone().or_else(|| queue.held.clone())
    }

    /// Why it takes none of these, if so.
    fn closed_to(&self, offers: &[Offer]) -> Option<Closed> {
        let queue = self.queue.lock();
        let held = || {
            queue
                .held
                .clone()
                .filter(|_| !offers.iter().any(|o| o.entry.passes_hold()))
        };
        queue.closed.clone().or_else(held)
    }

    /// Inputs and bytes that wait.
    pub fn depth(&self) -> (usize, usize) {
        let waiting = self.queue.lock().waiting.len();
        (
            waiting,
            (self.capacity as usize).saturating_sub(self.room.available_permits()),
        )
    }
}

/// Bytes of a body that are worth counting.
fn weight(body: &Body) -> usize {
    match body {
        Body::Event(event) => event.payload.len(),
        Body::Message(message) => {
            message.payload.len() + message.properties.len() + message.topic.len()
        }
        Body::Session(bytes) => bytes.len(),
        Body::DeadLetter(letter) => letter.payload.len() + letter.reason.len(),
        Body::Command(command) => weight_of(command),
        Body::Presence(_) | Body::Timer(_) | Body::Contribution(_) | Body::Derived(_) => 0,
    }
}

/// Commands are rare: what they hold is counted by the size of its text.
fn weight_of(command: &Command) -> usize {
    serde_json::to_string(command).map_or(0, |text| text.len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use bytes::Bytes;

    fn offer(bytes: usize) -> Offer {
        Offer::new(Body::Session(Bytes::from(vec![0; bytes])))
    }

    #[test]
    fn numbers_rise_in_the_order_of_taking() {
        let admission = Admission::new(1 << 20);
        assert_eq!(admission.admit_now(vec![offer(1), offer(1)]), Ok(2));
        assert_eq!(admission.admit_now(vec![offer(1)]), Ok(3));
        let mut out = Vec::new();
        assert_eq!(admission.take(2, 1 << 20, None, &mut out), Taken::Go);
        assert_eq!(out.iter().map(|i| i.number).collect::<Vec<_>>(), [1, 2]);
        admission.take(9, 1 << 20, None, &mut out);
        assert_eq!(out.len(), 3);
    }

    #[test]
    fn a_full_backlog_refuses_and_recovers() {
        let admission = Admission::new(2_000);
        admission.admit_now(vec![offer(1_000)]).unwrap();
        assert_eq!(
            admission.admit_now(vec![offer(1_000)]),
            Err(Closed::Full(2_000))
        );
        assert_eq!(admission.depth(), (1, 1_512));
        let mut out = Vec::new();
        admission.take(9, 1 << 20, None, &mut out);
        assert_eq!(admission.depth(), (0, 0));
        admission.admit_now(vec![offer(1_000)]).unwrap();
    }

    #[test]
    fn one_larger_than_the_backlog_goes_alone() {
        let admission = Admission::new(2_000);
        admission.admit_now(vec![offer(5_000)]).unwrap();
        assert!(admission.admit_now(vec![offer(0)]).is_err());
        let mut out = Vec::new();
        admission.take(9, 100, None, &mut out);
        assert_eq!(
            out.len(),
            1,
            "a frame takes at least one input, however large"
        );
        assert_eq!(admission.depth(), (0, 0));
    }

    #[test]
    fn a_frame_is_bounded_in_bytes() {
        let admission = Admission::new(1 << 20);
        admission
            .admit_now(vec![offer(1_000), offer(1_000), offer(1_000)])
            .unwrap();
        let mut out = Vec::new();
        admission.take(9, 3_100, None, &mut out);
        assert_eq!(out.len(), 2);
    }

    #[tokio::test]
    async fn whoever_waits_is_told_why_it_closed() {
        let admission = std::sync::Arc::new(Admission::new(1_000));
        admission.admit_now(vec![offer(480)]).unwrap();
        let waiting = tokio::spawn({
            let admission = admission.clone();
            async move { admission.admit(vec![offer(480)]).await }
        });
        tokio::task::yield_now().await;
        admission.close(Closed::DiskFull);
        assert_eq!(waiting.await.unwrap(), Err(Closed::DiskFull));
        let mut out = Vec::new();
        assert_eq!(admission.take(9, 1 << 20, None, &mut out), Taken::Go);
        assert_eq!(out.len(), 1, "what was admitted is served");
        assert_eq!(admission.take(9, 1 << 20, None, &mut out), Taken::Ended);
    }

    fn command() -> Offer {
        Offer::new(Body::Command(Command::Remove {
            kind: "Twin".into(),
            name: "t".into(),
        }))
    }

    fn published(will: bool) -> Offer {
        let letter = gemelli_event::record::DeadLetter {
            code: "c".into(),
            reason: "r".into(),
            origin: "o".into(),
            payload: Bytes::new(),
            dropped: 0,
        };
        Offer {
            entry: Entry::Published(Box::new(Published {
                client: "a".into(),
                journal: Bytes::new(),
                retained: Bytes::new(),
                also: None,
                body: Body::DeadLetter(letter),
                binds: false,
                will,
            })),
            answer: Answer::None,
        }
    }

    #[tokio::test]
    async fn a_hold_lets_the_brokers_own_records_and_wills_pass() {
        let admission = Admission::new(10_000);
        admission.hold(Some(Closed::DiskFull));
        let gone = Presence {
            client: "a".into(),
            connected: false,
        };
        let client = Offer {
            entry: Entry::Client(gone),
            answer: Answer::None,
        };
        let own = vec![offer(1), client, published(true)];
        assert_eq!(admission.admit(own).await, Ok(3));
        let mixed = vec![offer(1), published(false)];
        assert_eq!(
            admission.admit(mixed).await,
            Err(Closed::DiskFull),
            "the publication is refused"
        );
        let mut out = Vec::new();
        admission.take(9, 1 << 20, None, &mut out);
        assert_eq!(out.len(), 4, "the session record beside it is taken");
        assert_eq!(admission.depth(), (0, 0));
    }

    #[test]
    fn what_is_held_goes_on_later() {
        let admission = Admission::new(1_000);
        admission.hold(Some(Closed::DiskFull));
        assert_eq!(admission.admit_now(vec![command()]), Err(Closed::DiskFull));
        admission.hold(None);
        assert_eq!(admission.admit_now(vec![command()]), Ok(1));
    }

    #[tokio::test]
    async fn patience_ends() {
        let admission = Admission::new(1_000);
        admission.admit_now(vec![offer(480)]).unwrap();
        let refused = admission
            .admit_within(vec![offer(480)], Duration::from_millis(5))
            .await;
        assert_eq!(refused, Err(Closed::Full(1_000)));
    }
}
