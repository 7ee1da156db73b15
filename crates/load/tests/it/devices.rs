//! The city's devices against a broker that we did not write.

use crate::mosquitto;
use gemelli_load::{
    device::{self, Notice, Options, Protocol, Speed, journal},
    workload::{Plan, Workload},
};
use std::sync::mpsc;

#[test]
fn a_day_is_sent_and_acknowledged_whole() {
    let Some(server) = mosquitto::start("a_day_is_sent_and_acknowledged_whole") else {
        return;
    };
    let workload = Workload::new(Plan::default());
    for protocol in [Protocol::V5, Protocol::V311] {
        let options = Options {
            protocol,
            ..Options::new(server.address)
        };
        let mut notices = Vec::new();
        let report =
            device::run(&workload, &options, |notice| notices.push(notice.clone())).unwrap();
        assert_eq!(
            (report.sent, report.acknowledged_total(&workload)),
            (47_574, 47_574)
        );
        assert_eq!((report.repeated, report.refused.len()), (0, 0));
        assert!(matches!(notices[0], Notice::Connected { devices: 541, .. }));
        println!("{protocol:?}: {:?}", report.elapsed);
    }
}

#[test]
fn a_broker_that_dies_loses_nothing_that_a_device_sent() {
    let Some(mut server) = mosquitto::start("a_broker_that_dies_loses_nothing_that_a_device_sent")
    else {
        return;
    };
    let workload = Workload::new(Plan::default());
    let path = std::env::temp_dir().join(format!("gemelli-devices-{}", std::process::id()));
    let options = Options {
        journal: Some(path.clone()),
        speed: Speed::Times(40_000.0),
        ..Options::new(server.address)
    };
    let (tell, told) = mpsc::channel();
    let (report, losses) = std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            device::run(&workload, &options, move |notice| {
                drop(tell.send(notice.clone()))
            })
            .unwrap()
        });
        let mut losses = 0;
        for notice in told {
            match notice {
                Notice::Progress { .. } if losses < 3 => {
                    server.restart();
                    losses += 1;
                }
                _ => {}
            }
        }
        (run.join().unwrap(), losses)
    });
    assert_eq!(losses, 3, "the run was over too soon");
    assert_eq!(
        (report.sent, report.acknowledged_total(&workload)),
        (47_574, 47_574)
    );
    let marks = journal::read(&path, workload.devices().len()).unwrap();
    for (device, mark) in (0..).zip(marks) {
        let expected = workload.reports_per_day(device);
        assert_eq!(
            (mark.sent, mark.acknowledged, mark.acknowledgements),
            (expected, expected, expected)
        );
    }
    std::fs::remove_file(path).unwrap();
}

#[test]
fn too_many_devices_for_the_system_are_refused_before_any_connects() {
    let workload = Workload::new(Plan {
        neighborhoods: 999,
        ..Plan::default()
    });
    let options = Options::new("127.0.0.1:1".parse().unwrap());
    // 540,459 connections: where the system allows as many files, there is nothing to see.
    if gemelli_load::process::allow_files(600_000).is_ok() {
        println!(
            "skipped: too_many_devices_for_the_system_are_refused_before_any_connects: no limit on files"
        );
        return;
    }
    let error = device::run(&workload, &options, |_| ()).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("540459 devices need a connection each"),
        "{error}"
    );
}
