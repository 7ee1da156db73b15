//! Keeps all devices in step.

use super::{
    Error, Journal, Notice, Options, Plant, Protocol, QUIET, Report, STALL_LIMIT, Speed,
    link::{self, Link, Message, Shared, Signal},
};
use crate::{
    fleet::Kind,
    payload,
    workload::{Due, Step, Workload},
};
use gemelli_model::time::format_ms;
use gemelli_mqtt::{packet::Version, properties};
use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use tokio::{
    sync::mpsc,
    time::{sleep_until, timeout},
};

/// Signals of links that wait for the conductor before the links must.
const SIGNALS: usize = 4_096;
/// Wall time between two notices of progress.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// Sends every report when it is due and waits until it is acknowledged.
pub struct Conductor<'a, N> {
    workload: &'a Workload,
    options: &'a Options,
    notify: N,
    commands: mpsc::Receiver<()>,
    signals: mpsc::Receiver<Signal>,
    shared: Shared,
    senders: Vec<Sender>,
    journal: Journal,
    report: Report,
    in_flight: u64,
    acknowledged: u64,
    up: usize,
    was_up: bool,
    lost: Lost,
    armed: bool,
    began: Instant,
    told: Instant,
}

/// The conductor's end of a device's link.
struct Sender {
    id: String,
    topic: Arc<str>,
    outbox: mpsc::Sender<Message>,
}

/// A connection loss of all devices together.
#[derive(Default)]
struct Lost {
    links: usize,
    in_flight: u64,
    repeated: u64,
}

/// What a device's twin says in a virtual event.
#[derive(serde::Deserialize)]
struct Order {
    #[serde(rename = "measurementFrequency")]
    frequency: Option<f64>,
}

impl<'a, N: FnMut(&Notice)> Conductor<'a, N> {
    /// Starts a link per device; `commands` brings a unit for each `arm`.
    pub fn new(
        workload: &'a Workload,
        options: &'a Options,
        commands: mpsc::Receiver<()>,
        notify: N,
    ) -> Result<Self, Error> {
        let journal = Journal::create(options.journal.as_deref());
        let journal = journal.map_err(|source| Error::Io {
            what: "the journal cannot be written".into(),
            source,
        })?;
        let (sender, signals) = mpsc::channel(SIGNALS);
        let shared = Shared::new(options.address, sender);
        let version = match options.protocol {
            Protocol::V311 => Version::V311,
            Protocol::V5 => Version::V5,
        };
        let mut senders = Vec::with_capacity(workload.devices().len());
        for (number, device) in (0..).zip(workload.devices()) {
            let id = device.id();
            let battery = device.kind == Kind::Battery;
            let connect = link::connect(version, &id, battery, options.login.as_ref());
            let subscribe = battery.then(|| device.virtual_topic());
            let (link, outbox) = Link::new(number, shared.clone(), connect, subscribe);
            tokio::spawn(link.run());
            senders.push(Sender {
                id,
                topic: device.topic().into(),
                outbox,
            });
        }
        let now = Instant::now();
        Ok(Self {
            workload,
            options,
            notify,
            commands,
            signals,
            shared,
            journal,
            report: Report {
                acknowledged: vec![0; senders.len()],
                ..Report::default()
            },
            senders,
            in_flight: 0,
            acknowledged: 0,
            up: 0,
            was_up: false,
            lost: Lost::default(),
            armed: false,
            began: now,
            told: now,
        })
    }

    /// Plays the schedule to its end.
    pub async fn run(mut self) -> Result<Report, Error> {
        while self.up < self.senders.len() {
            self.hear_next().await?;
        }
        let devices = self.senders.len();
        let elapsed_ms = self.began.elapsed().as_millis() as u64;
        (self.notify)(&Notice::Connected {
            devices,
            elapsed_ms,
        });
        self.began = Instant::now();
        let workload = self.workload;
        for step in workload.steps() {
            self.wait_for(step.time_ms).await?;
            self.send(&step).await?;
            while self.in_flight > 0 {
                self.hear_next().await?;
            }
            self.flush()?;
            self.tell_progress(step.time_ms);
        }
        self.report.elapsed = self.began.elapsed();
        self.settle().await?;
        self.end().await?;
        Ok(self.report)
    }

    /// Waits for the wall-clock time of a simulated moment; hears links meanwhile.
    async fn wait_for(&mut self, time_ms: i64) -> Result<(), Error> {
        let Speed::Times(speed) = self.options.speed else {
            return Ok(());
        };
        let simulated = Duration::from_millis((time_ms - self.workload.begin_ms()).unsigned_abs());
        let due = self.began + simulated.div_f64(speed.max(f64::MIN_POSITIVE));
        loop {
            tokio::select! {
                biased;
                signal = self.signals.recv() => self.hear(signal)?,
                () = sleep_until(due.into()) => return Ok(()),
            }
        }
    }

    async fn send(&mut self, step: &Step) -> Result<(), Error> {
        let written = self.shared.written.load(Ordering::Relaxed);
        for due in &step.due {
            let Some(message) = self.message(*due, step.time_ms) else {
                continue;
            };
            self.journal.sent(due.device, due.n).map_err(journal)?;
            self.in_flight += 1;
            self.report.sent += 1;
            if self.report.sent == self.workload.total() / 2 && self.plant(*due, &message).await? {
                continue;
            }
            let Some(sender) = self.senders.get(due.device as usize) else {
                continue;
            };
            // A link that is gone has said why in a signal.
            let _ = sender.outbox.send(message).await;
        }
        self.flush()?;
        self.armed |= self.commands.try_recv().is_ok();
        if self.armed {
            let wanted = written + step.due.len() as u64;
            while self.in_flight > 0 && self.shared.written.load(Ordering::Relaxed) < wanted {
                self.hear_next().await?;
            }
            if self.in_flight > 0 {
                self.armed = false;
                (self.notify)(&Notice::Armed {
                    in_flight: self.in_flight,
                });
            }
        }
        Ok(())
    }

    /// Commits the fault asked for; true: the report must not be sent.
    async fn plant(&mut self, due: Due, message: &Message) -> Result<bool, Error> {
        match self.options.plant {
            None => Ok(false),
            Some(Plant::Drop) => {
                self.acknowledged(due.device, due.n.into(), None)?;
                Ok(true)
            }
            Some(Plant::Double) => {
                let mut again = message.clone();
                again.properties.clear();
                if let Some(sender) = self.senders.get(due.device as usize) {
                    self.in_flight += 1;
                    let _ = sender.outbox.send(again).await;
                }
                Ok(false)
            }
        }
    }

    fn message(&self, due: Due, time_ms: i64) -> Option<Message> {
        let sender = self.senders.get(due.device as usize)?;
        let reading = payload::reading(self.workload, due, time_ms)?;
        let event_id = format!("{}#{}", sender.id, due.n);
        let (mut properties, mut payload) = (Vec::new(), Vec::with_capacity(256));
        match self.options.protocol {
            Protocol::V5 => {
                properties::put_user(&mut properties, "ce-id", &event_id);
                properties::put_user(&mut properties, "ce-time", &format_ms(time_ms));
                reading.write_json(None, &mut payload);
            }
            Protocol::V311 => reading.write_json(Some(&event_id), &mut payload),
        }
        Some(Message {
            tag: due.n.into(),
            topic: sender.topic.clone(),
            properties,
            payload,
        })
    }

    async fn hear_next(&mut self) -> Result<(), Error> {
        match timeout(STALL_LIMIT, self.signals.recv()).await {
            Ok(signal) => self.hear(signal),
            Err(_) => Err(self.stalled()),
        }
    }

    fn hear(&mut self, signal: Option<Signal>) -> Result<(), Error> {
        match signal {
            None => return Err(self.stalled()),
            Some(Signal::Acknowledged { link, tag, refused }) => {
                self.acknowledged(link, tag, refused)?
            }
            Some(Signal::Received { link, message }) => self.received(link, &message.payload),
            Some(Signal::Up { repeated, .. }) => self.link_up(repeated),
            Some(Signal::Down { unacknowledged, .. }) => self.link_down(unacknowledged),
            Some(Signal::Refused { link, reason }) => {
                let address = self.options.address;
                return Err(Error::Refused {
                    address,
                    device: self.name(link),
                    reason,
                });
            }
            Some(Signal::Ended { .. }) => self.up = self.up.saturating_sub(1),
        }
        Ok(())
    }

    fn acknowledged(
        &mut self,
        device: u32,
        tag: u64,
        refused: Option<String>,
    ) -> Result<(), Error> {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(reason) = refused {
            *self.report.refused.entry(reason).or_default() += 1;
            return Ok(());
        }
        self.acknowledged += 1;
        let n = tag as u32;
        if let Some(last) = self.report.acknowledged.get_mut(device as usize) {
            *last = n;
        }
        self.journal.acknowledged(device, n).map_err(journal)
    }

    fn received(&mut self, device: u32, payload: &[u8]) {
        let told = self.report.told.entry(device).or_default();
        told.events += 1;
        if let Ok(Order {
            frequency: Some(frequency),
        }) = serde_json::from_slice(payload)
        {
            told.frequency = Some(frequency);
        }
    }

    fn link_up(&mut self, repeated: u64) {
        self.up += 1;
        self.report.repeated += repeated;
        self.lost.repeated += repeated;
        if self.up == self.senders.len() {
            if self.was_up {
                (self.notify)(&Notice::Back {
                    repeated: self.lost.repeated,
                });
            }
            self.was_up = true;
            self.lost = Lost::default();
        }
    }

    fn link_down(&mut self, unacknowledged: u64) {
        self.up = self.up.saturating_sub(1);
        self.lost.links += 1;
        self.lost.in_flight += unacknowledged;
        if self.lost.links == self.senders.len() {
            let (in_flight, acknowledged) = (self.lost.in_flight, self.acknowledged);
            (self.notify)(&Notice::Lost {
                in_flight,
                acknowledged,
            });
        }
    }

    /// Waits until virtual events have stayed away for a while.
    async fn settle(&mut self) -> Result<(), Error> {
        let limit = Instant::now() + STALL_LIMIT;
        while Instant::now() < limit {
            match timeout(QUIET, self.signals.recv()).await {
                Ok(signal) => self.hear(signal)?,
                Err(_) => break,
            }
        }
        Ok(())
    }

    /// Closes all connections in good order.
    async fn end(&mut self) -> Result<(), Error> {
        for sender in &mut self.senders {
            sender.outbox = mpsc::channel(1).0;
        }
        while self.up > 0 {
            match timeout(QUIET * 10, self.signals.recv()).await {
                Ok(signal) => self.hear(signal)?,
                Err(_) => break,
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.journal.flush().map_err(journal)
    }

    fn tell_progress(&mut self, time_ms: i64) {
        if self.told.elapsed() >= TELL_EVERY {
            self.told = Instant::now();
            let (sent, acknowledged, total) =
                (self.report.sent, self.acknowledged, self.workload.total());
            (self.notify)(&Notice::Progress {
                time_ms,
                sent,
                acknowledged,
                total,
            });
        }
    }

    fn stalled(&self) -> Error {
        let waits = self
            .senders
            .iter()
            .find(|sender| sender.outbox.capacity() < link::INBOX);
        let device = waits.map_or_else(
            || "a device without a connection".into(),
            |sender| sender.id.clone(),
        );
        Error::Stalled {
            address: self.options.address,
            in_flight: self.in_flight,
            device,
        }
    }

    fn name(&self, link: u32) -> String {
        self.senders
            .get(link as usize)
            .map(|sender| sender.id.clone())
            .unwrap_or_default()
    }
}

fn journal(source: std::io::Error) -> Error {
    Error::Io {
        what: "the journal cannot be written".into(),
        source,
    }
}
