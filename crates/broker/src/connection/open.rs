//! How a connection begins: CONNECT, authentication, the session, CONNACK.

use super::{Connection, KeepAlive, close, retained::Lookups};
use crate::{
    host::{Credentials, Host, Item, Refused, Transport},
    io::{Io, Moved},
    record::{Change, Kept, Testament},
    session::{
        Claim, NOT_LOGGED,
        inbound::{Inbound, Settings},
        outbound::Link,
    },
    shared::Shared,
    timers,
};
use bytes::{Bytes, BytesMut};
use gemelli_mqtt::{
    Malformed, Packet, Reason, Version,
    codec::Codec,
    packet::{ConnAck, Connect, Will},
};
use std::{
    future::poll_fn,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::time::{Instant, timeout};

/// Longest client id, bytes.
pub const MAX_CLIENT_ID_BYTES: usize = 1_024;

/// The user property of CONNECT by which an MQTT 5 client says when its messages are acknowledged.
const DURABILITY: &str = "gemelli-durability";
/// When they are durable: the default.
const SYNCED: &str = "synced";
/// Before they are durable. A crash may take what was accepted within the host's bound.
const RELAXED: &str = "relaxed";

/// A connection that has just come, its handshakes below MQTT done.
pub struct Arrival {
    /// Its bytes.
    pub io: Io,
    /// Where it comes from.
    pub peer: SocketAddr,
    /// How it came.
    pub transport: Transport,
    /// The client's certificate, DER.
    pub certificate: Option<Bytes>,
    /// How long CONNECT may take.
    pub patience: Duration,
}

/// A refusal, as CONNACK says it.
struct No {
    reason: Reason,
    text: String,
}

fn no(reason: Reason, text: impl Into<String>) -> No {
    No {
        reason,
        text: text.into(),
    }
}

/// Takes the connection to the point where the client is accepted; `None` if it was refused or left.
pub async fn open<H: Host>(shared: Arc<Shared<H>>, arrival: Arrival) -> Option<Box<Connection<H>>> {
    let Arrival {
        mut io,
        peer,
        transport,
        certificate,
        patience,
    } = arrival;
    let mut codec = Codec::server(shared.options.max_packet_bytes);
    let mut input = BytesMut::new();
    let connect = match timeout(patience, read_connect(&mut io, &mut codec, &mut input)).await {
        Ok(Some(Ok(connect))) => connect,
        Ok(Some(Err(malformed))) => {
            super::refused(
                &shared,
                &format!("mqtt/connect/{}", peer.ip()),
                &malformed,
                &input,
            );
            // Before MQTT 5 only two faults have an answer.
            let answered = codec.version() == Version::V5
                || matches!(
                    malformed.reason,
                    Reason::UNSUPPORTED_VERSION | Reason::CLIENT_ID_NOT_VALID
                );
            if answered {
                refuse(io, &codec, no(malformed.reason, malformed.what)).await;
            }
            return None;
        }
        Ok(None) | Err(_) => return None,
    };
    match accept(&shared, connect, peer, transport, certificate).await {
        Ok(mut accepted) => {
            let mut output = BytesMut::new();
            codec.encode(&Packet::ConnAck(Box::new(accepted.ack)), &mut output);
            let session = accepted.claim.session.clone();
            let mut changes = Vec::new();
            let now_ms = shared.host.now_ms();
            session.outbound.lock().attach(
                accepted.link,
                &session.client,
                &codec,
                now_ms,
                &mut output,
                &mut changes,
            );
            accepted.inbound.outbound_changes(changes);
            Some(Box::new(Connection {
                shared,
                io,
                codec,
                claim: accepted.claim,
                inbound: accepted.inbound,
                principal: accepted.principal,
                input,
                output,
                keep_alive: accepted.keep_alive,
                will: accepted.will,
                expiry_s: accepted.expiry_s,
                retained: Lookups::default(),
                shared_next: false,
            }))
        }
        Err(why) => {
            refuse(io, &codec, why).await;
            None
        }
    }
}

async fn read_connect(
    io: &mut Io,
    codec: &mut Codec,
    input: &mut BytesMut,
) -> Option<Result<Connect, Malformed>> {
    loop {
        match codec.decode(input) {
            Ok(Some(Packet::Connect(connect))) => return Some(Ok(*connect)),
            Ok(Some(_)) => {
                return Some(Err(Malformed::protocol("the first packet is not CONNECT")));
            }
            Ok(None) => {}
            Err(malformed) => return Some(Err(malformed)),
        }
        let mut nothing = BytesMut::new();
        match poll_fn(|cx| io.poll_exchange(cx, input, &mut nothing, true)).await {
            Ok(Moved::Ended) | Err(_) => return None,
            Ok(Moved::Read | Moved::Written) => {}
        }
    }
}

async fn refuse(io: Io, codec: &Codec, why: No) {
    let mut output = BytesMut::new();
    let ack = ConnAck {
        reason_string: Some(why.text.into()),
        ..ConnAck::new(why.reason)
    };
    codec.encode(&Packet::ConnAck(Box::new(ack)), &mut output);
    close::linger(io, output).await;
}

struct Accepted {
    ack: ConnAck,
    claim: Claim,
    inbound: Inbound,
    principal: crate::host::Principal,
    link: Link,
    keep_alive: Option<KeepAlive>,
    will: Option<Box<Testament>>,
    expiry_s: u32,
}

async fn accept<H: Host>(
    shared: &Arc<Shared<H>>,
    mut connect: Connect,
    peer: SocketAddr,
    transport: Transport,
    certificate: Option<Bytes>,
) -> Result<Accepted, No> {
    let options = &shared.options;
    let mut ack = ConnAck::new(Reason::SUCCESS);
    if connect.auth_method.is_some() {
        return Err(no(
            Reason::BAD_AUTHENTICATION_METHOD,
            "no enhanced authentication here: use a password, a token or a certificate",
        ));
    }
    if connect.client_id.len() > MAX_CLIENT_ID_BYTES
        || connect.client_id.chars().any(char::is_control)
    {
        return Err(no(
            Reason::CLIENT_ID_NOT_VALID,
            format!(
                "a client id has at most {MAX_CLIENT_ID_BYTES} bytes and no control characters"
            ),
        ));
    }
    if connect.client_id.is_empty() {
        connect.client_id =
            format!("anonymous-{:x}-{:x}", shared.started_ms, shared.number()).into();
        ack.assigned_client_id = Some(connect.client_id.clone());
    }
    let client: Arc<str> = Arc::from(&*connect.client_id);
    let credentials = Credentials {
        client: client.clone(),
        username: connect.username.as_deref().map(Into::into),
        password: connect.password.clone(),
        peer,
        certificate,
        transport,
    };
    let principal = shared
        .host
        .authenticate(&credentials)
        .map_err(|Refused { reason, text }| no(reason, text))?;
    if let Some(will) = &connect.will {
        let allowed = !will.topic.starts_with('$')
            && shared
                .host
                .allow(&principal, crate::host::Action::Publish, &will.topic);
        if !allowed {
            return Err(no(
                Reason::NOT_AUTHORIZED,
                "the principal may not publish to the will's topic",
            ));
        }
    }

    let relaxed = asks_relaxed(&connect)?;

    let asked = match connect.version {
        Version::V5 => connect.session_expiry_s.unwrap_or(0),
        _ if connect.clean_start => 0,
        _ => options.v3_session_expiry_s,
    };
    let expiry_s = asked.min(options.max_session_expiry_s);
    if expiry_s != asked {
        ack.session_expiry_s = Some(expiry_s);
    }
    let (claim, present, mut items) = take_session(shared, &client, connect.clean_start).await?;
    ack.session_present = present;
    let session = claim.session.clone();

    let keep_alive_s = match (options.max_keep_alive_s, connect.keep_alive_s) {
        (0, asked) => asked,
        (most, asked) if connect.version == Version::V5 && (asked == 0 || asked > most) => {
            ack.keep_alive_s = Some(most);
            most
        }
        (_, asked) => asked,
    };
    let patience = Duration::from_millis(u64::from(keep_alive_s) * 1_500);
    let keep_alive = (keep_alive_s > 0).then(|| KeepAlive {
        patience,
        heard: Instant::now(),
        timer: Box::pin(tokio::time::sleep(patience)),
        output: None,
    });

    let durable = expiry_s > 0;
    if durable {
        items.push(timers::session_item(&[Change::Opened {
            client: client.clone(),
            expiry_s,
        }]));
    } else if present {
        items.push(timers::session_item(&[Change::Opened {
            client: client.clone(),
            expiry_s: 0,
        }]));
    }
    let will = connect
        .will
        .take()
        .map(|will| testament(*will, keep_alive_s));
    match (&will, timers::take_will(shared, &client).is_some()) {
        (Some(will), _) => items.push(timers::session_item(&[Change::Willed {
            client: client.clone(),
            will: (**will).clone(),
        }])),
        (None, true) => items.push(timers::session_item(&[Change::Unwilled {
            client: client.clone(),
        }])),
        (None, false) => {}
    }

    if relaxed {
        ack.user.push((DURABILITY.into(), RELAXED.into()));
    }
    let link = Link {
        version: connect.version,
        topic_aliases: connect.topic_aliases.min(options.topic_aliases),
        window: connect.receive_maximum.min(options.in_flight).max(1),
        max_packet_bytes: connect.max_packet_bytes.map_or(usize::MAX, |n| n as usize),
        durable,
    };
    ack.receive_maximum = options.receive_maximum;
    ack.max_packet_bytes = Some(options.max_packet_bytes);
    ack.topic_aliases = options.topic_aliases;
    let settings = Settings {
        client,
        version: connect.version,
        receive_maximum: usize::from(options.receive_maximum),
        topic_aliases: options.topic_aliases,
        durable,
        reason_strings: connect.version == Version::V5 && connect.problem_information,
        relaxed,
    };
    let mut inbound = Inbound::new(settings, session.last_number.load(Ordering::Acquire));
    inbound.add(items);
    Ok(Accepted {
        ack,
        claim,
        inbound,
        principal,
        link,
        keep_alive,
        will,
        expiry_s,
    })
}

/// Ends the client's present connection, if any, and makes the session this connection's own.
async fn take_session<H: Host>(
    shared: &Arc<Shared<H>>,
    client: &Arc<str>,
    clean: bool,
) -> Result<(Claim, bool, Vec<Item>), No> {
    let patience = Duration::from_millis(shared.options.connect_timeout_ms);
    let mut items = Vec::new();
    loop {
        let session = shared.session(client).ok_or_else(|| {
            no(
                Reason::QUOTA_EXCEEDED,
                format!(
                    "all {} sessions are taken: end some, or raise the broker's limit",
                    shared.options.max_sessions
                ),
            )
        })?;
        let claim = timeout(patience, session.claim()).await.map_err(|_| {
            no(
                Reason::SERVER_BUSY,
                "the client's earlier connection does not end: try again in a second",
            )
        })?;
        if session.is_gone() {
            continue;
        }
        timers::keep_session(shared, &session);
        let present = session.outbound.lock().is_durable();
        if !(clean && present) {
            return Ok((claim, present, items));
        }
        let now_ms = shared.host.now_ms();
        items.extend(
            timers::take_will(shared, client)
                .map(|will| timers::will_item(shared, client, &will, now_ms)),
        );
        items.push(timers::session_item(&[Change::Ended {
            client: client.clone(),
        }]));
        shared.remove(&session);
    }
}

/// Whether the client asks for acknowledgements before its messages are durable.
fn asks_relaxed(connect: &Connect) -> Result<bool, No> {
    let asked = connect.user.iter().find(|(name, _)| *name == DURABILITY);
    match asked.map(|(_, value)| &**value) {
        None | Some(SYNCED) => Ok(false),
        Some(RELAXED) => Ok(true),
        Some(other) => Err(no(
            Reason::IMPLEMENTATION_SPECIFIC,
            format!("there is no durability `{other}`: {DURABILITY} is {SYNCED} or {RELAXED}"),
        )),
    }
}

fn testament(will: Will, keep_alive_s: u16) -> Box<Testament> {
    Box::new(Testament {
        message: Kept {
            seq: NOT_LOGGED,
            topic: Arc::from(&*will.topic),
            payload: Bytes::copy_from_slice(&will.payload),
            qos: will.qos,
            retain: will.retain,
            properties: will.properties,
            expires_ms: None,
            ids: Vec::new(),
        },
        lives_ms: will.expiry_s.map(|s| i64::from(s) * 1_000),
        delay_ms: i64::from(will.delay_s) * 1_000,
        keep_alive_ms: i64::from(keep_alive_s) * 1_000,
    })
}
