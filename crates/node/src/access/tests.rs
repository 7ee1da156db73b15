#![allow(clippy::unwrap_used, clippy::panic)]

//! Every action of MQTT by every kind of principal.

use super::*;
use gemelli_auth::{Grant, Role};
use gemelli_broker::host::Transport;

const PUBLISH: host::Action = host::Action::Publish;
const SUBSCRIBE: host::Action = host::Action::Subscribe;

struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("gemelli-access-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn view() -> View {
    gemelli_engine::Engine::new(gemelli_engine::Limits::default()).view()
}

fn credentials(client: &str, token: Option<&str>) -> Credentials {
    Credentials {
        client: client.into(),
        username: None,
        password: token.map(|token| token.to_owned().into()),
        peer: "192.0.2.1:4000".parse().unwrap(),
        certificate: None,
        transport: Transport::Tls,
    }
}

#[test]
fn topics_are_about_twins_interfaces_or_everything() {
    for (action, topic, wanted) in [
        (PUBLISH, "ktwin/real/Pole/p-1", "Report Twin p-1"),
        (PUBLISH, "ktwin.real.Pole.p-1", "Report Twin p-1"),
        (PUBLISH, "ktwin/virtual/Pole/p-1", "Write Twin p-1"),
        (PUBLISH, "ktwin/command/Pole/p-1/on", "Write Twin p-1"),
        (PUBLISH, "ktwin/real/Pole/a%2Fb", "Report Twin a/b"),
        (PUBLISH, "ktwin/real/Pole", "Report Topic ktwin/real/Pole"),
        (PUBLISH, "devices/p-1/raw", "Report Topic devices/p-1/raw"),
        (SUBSCRIBE, "ktwin/virtual/Pole/p-1", "Read Twin p-1"),
        (SUBSCRIBE, "ktwin/+/+/p-1/#", "Read Twin p-1"),
        (SUBSCRIBE, "ktwin/+/Pole/a%2Fb", "Read Twin a/b"),
        (SUBSCRIBE, "ktwin/real/Pole/+", "Read Interface Pole"),
        (SUBSCRIBE, "ktwin/real/Pole/#", "Read Interface Pole"),
        (SUBSCRIBE, "ktwin/real/Pole", "Read Interface Pole"),
        (SUBSCRIBE, "ktwin/+/+/+", "Read Node"),
        (SUBSCRIBE, "ktwin/#", "Read Node"),
        (SUBSCRIBE, "+/real/Pole/p-1", "Read Node"),
        (SUBSCRIBE, "#", "Read Node"),
        (SUBSCRIBE, "$SYS/#", "Read Node"),
        (SUBSCRIBE, "devices/p-1/#", "Read Topic devices/p-1/#"),
        (SUBSCRIBE, "devices/+/raw", "Read Node"),
        (SUBSCRIBE, "devices/#", "Read Node"),
        (SUBSCRIBE, "weather", "Read Node"),
    ] {
        let wish = match action {
            host::Action::Publish => publish(topic),
            host::Action::Subscribe => subscribe(topic),
        };
        let about = match &wish.about {
            About::Node => "Node".to_owned(),
            About::Twin(twin) => format!("Twin {twin}"),
            About::Interface(interface) => format!("Interface {interface}"),
            About::Topic(topic) => format!("Topic {topic}"),
        };
        assert_eq!(format!("{:?} {about}", wish.action), wanted, "{topic}");
    }
}

/// An action on a topic and which of admin, writer, reader, device, other device and limited may.
const MATRIX: &[(host::Action, &str, &str)] = &[
    (PUBLISH, "ktwin/real/Pole/p-1", "admin writer device"),
    (PUBLISH, "ktwin/real/Pole/p-2", "admin writer other"),
    (PUBLISH, "ktwin/virtual/Pole/p-1", "admin writer"),
    (PUBLISH, "ktwin/command/Pole/p-1/on", "admin writer"),
    (PUBLISH, "ktwin/real/Pole", "admin writer"),
    (PUBLISH, "devices/p-1/raw", "admin writer device"),
    (PUBLISH, "devices/p-10/raw", "admin writer"),
    (PUBLISH, "weather", "admin writer"),
    (PUBLISH, "$SYS/x", ""),
    (
        SUBSCRIBE,
        "ktwin/command/Pole/p-1/#",
        "admin writer reader device",
    ),
    (SUBSCRIBE, "ktwin/+/+/p-2", "admin writer reader other"),
    (SUBSCRIBE, "ktwin/real/Pole/+", "admin writer reader"),
    (SUBSCRIBE, "devices/p-1/#", "admin writer reader device"),
    (SUBSCRIBE, "devices/#", "admin writer reader"),
    (SUBSCRIBE, "#", "admin writer reader"),
    (SUBSCRIBE, "$SYS/#", "admin writer reader"),
    (SUBSCRIBE, "weather", "admin writer reader"),
];

#[test]
fn every_action_of_mqtt_is_met_by_every_principal_as_the_matrix_says() {
    let folder = Folder::new("matrix");
    let now = SystemTime::now();
    gemelli_auth::init(&folder.0, &[], now).unwrap();
    let auth = Arc::new(gemelli_auth::Access::open(&folder.0, Vec::new()).unwrap());
    let open: SocketAddr = "0.0.0.0:0".parse().unwrap();
    assert!(Access::of([open], None).is_err());
    let access = Access::of([open], Some(auth.clone())).unwrap();
    assert!(access.needs_login());
    let principals: Vec<_> = [
        ("admin", Role::Admin, None),
        ("writer", Role::Writer, None),
        ("reader", Role::Reader, None),
        ("device", Role::Device, Some("p-1")),
        ("other", Role::Device, Some("p-2")),
        ("limited", Role::Limited, None),
    ]
    .map(|(name, role, twin)| {
        let held = format!("the-{name}");
        let grant = Grant {
            twin,
            ..Grant::of(&held, role)
        };
        let token = auth.tokens().grant(&grant, now).unwrap();
        let client = twin.unwrap_or(name);
        let who = access
            .authenticate(&credentials(client, Some(&token)))
            .unwrap();
        (name, who)
    })
    .into();
    for (action, topic, wanted) in MATRIX {
        let may: Vec<_> = principals
            .iter()
            .filter(|(_, who)| access.allow(who, *action, topic, view))
            .map(|(name, _)| *name)
            .collect();
        assert_eq!(may.join(" "), *wanted, "{action:?} {topic}");
    }
    // Anonymous, wrong, and a name that never logged in.
    for password in [None, Some("gemelli_x_y"), Some("a.b.c")] {
        let refused = access
            .authenticate(&credentials("c", password))
            .unwrap_err();
        assert_eq!(refused.reason, Reason::BAD_USER_NAME_OR_PASSWORD);
    }
    let stranger = host::Principal {
        name: "stranger".into(),
    };
    assert!(!access.allow(&stranger, SUBSCRIBE, "a", view));
}

#[test]
fn a_devices_client_id_is_its_own_and_what_expired_ends_while_connected() {
    let folder = Folder::new("device");
    let now = SystemTime::now();
    gemelli_auth::init(&folder.0, &[], now).unwrap();
    let auth = Arc::new(gemelli_auth::Access::open(&folder.0, Vec::new()).unwrap());
    let access = Access::of(["0.0.0.0:0".parse().unwrap()], Some(auth.clone())).unwrap();
    let device = Grant {
        twin: Some("p-1"),
        ..Grant::of("pole", Role::Device)
    };
    let device = auth.tokens().grant(&device, now).unwrap();
    let writer = auth.tokens().add("writer", Role::Writer, now).unwrap();
    let ask = |client, token: &str| {
        access
            .authenticate(&credentials(client, Some(token)))
            .map_err(|refused| refused.reason)
    };
    assert_eq!(ask("p-2", &device), Err(Reason::NOT_AUTHORIZED));
    assert_eq!(ask("p-1", &writer), Err(Reason::NOT_AUTHORIZED));
    assert!(ask("p-1", &device).is_ok() && ask("p-2", &writer).is_ok());

    let short = Grant {
        lifetime: Some(std::time::Duration::from_millis(200)),
        ..Grant::of("short", Role::Writer)
    };
    let short = auth.tokens().grant(&short, SystemTime::now()).unwrap();
    let who = ask("s", &short).unwrap();
    assert!(access.allow(&who, PUBLISH, "weather", view));
    std::thread::sleep(std::time::Duration::from_millis(250));
    assert!(!access.allow(&who, PUBLISH, "weather", view));
    assert!(ask("s", &short).is_err());
}

#[test]
fn on_loopback_nobody_logs_in_and_the_servers_topics_are_for_reading() {
    let access = Access::of(["127.0.0.1:0".parse().unwrap()], None).unwrap();
    let who = access.authenticate(&credentials("c", None)).unwrap();
    assert!(access.allow(&who, PUBLISH, "a", view));
    assert!(access.allow(&who, SUBSCRIBE, "#", view));
    assert!(!access.allow(&who, PUBLISH, "$SYS/x", view));
}
