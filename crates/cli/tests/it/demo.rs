//! The city: that it lives at once, that its check finds nothing wrong, and that it would.

use super::fixture::{Home, Ran, root, wait};
use std::{fs, process::Stdio};

fn check(flags: &[&str]) -> Ran {
    let home = Home::new();
    let mut args = vec!["demo", "city", "--check", "--speed", "max"];
    args.extend(flags);
    home.run(&args)
}

#[test]
fn a_day_of_a_neighbourhood_is_as_it_must_be() {
    let ran = check(&[]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let all = ran
        .out
        .lines()
        .find(|line| line.starts_with("all "))
        .unwrap();
    let numbers: Vec<_> = all.split_whitespace().skip(1).collect();
    assert_eq!(
        numbers,
        ["47574", "47574", "47574", "0", "0"],
        "{}",
        ran.out
    );
}

#[test]
fn kills_lose_nothing_and_repeat_nothing() {
    let ran = check(&["--kill", "2", "--protocol", "3.1.1"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(
        ran.out.contains("KILL") && ran.out.contains("everything is as it must be"),
        "{}",
        ran.out
    );
}

#[test]
fn planted_faults_are_found() {
    for fault in ["drop", "double", "breakpoint"] {
        let ran = check(&["--plant", fault]);
        assert_eq!(ran.code, 1, "{fault}: {}{}", ran.out, ran.err);
        assert!(ran.out.contains("DIFFERENCE"), "{fault}: {}", ran.out);
    }
}

#[test]
fn the_city_lives_within_eight_lines_and_leaves_nothing_behind() {
    let home = Home::new();
    let temp = home.path.join("tmp");
    fs::create_dir_all(&temp).unwrap();
    let said = home.path.join("said");
    let mut command = home.gemelli(&[
        "demo",
        "city",
        "--http",
        "127.0.0.1:0",
        "--mqtt",
        "127.0.0.1:0",
    ]);
    command
        .env("TMPDIR", &temp)
        .stdout(fs::File::create(&said).unwrap())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let text = wait("the demo's lines", || {
        fs::read_to_string(&said)
            .ok()
            .filter(|text| text.contains("stop"))
    });
    assert!(text.lines().count() <= 8, "{text}");
    assert!(
        text.contains("http://127.0.0.1:") && text.contains("Ctrl-C"),
        "{text}"
    );
    let lives = || {
        home.run(&[
            "get",
            "twins",
            "-o",
            "name",
            "--interface",
            "ngsi-ld-city-device",
        ])
    };
    // The lines come first, the twins a moment later.
    wait("the devices' twins", || {
        (lives().out.lines().count() == 220).then_some(())
    });
    wait("an event of a device", || {
        home.run(&["watch", "--count", "1"])
            .out
            .contains("ngsi-ld-city")
            .then_some(())
    });
    // The same files load the same interfaces.
    let again = home.run(&["apply", "-f", "examples/city", "--dry-run"]);
    assert!(
        again.code == 0 && !again.out.contains("configured") && !again.out.contains("created"),
        "{}{}",
        again.out,
        again.err
    );

    let pid = child.id().to_string();
    assert!(
        std::process::Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    let status = wait("the end", || child.try_wait().unwrap());
    assert!(status.success());
    assert_eq!(
        fs::read_dir(&temp).unwrap().count(),
        0,
        "the temporary folder is gone"
    );
}

#[test]
fn a_year_of_beijing_is_replayed_into_stations() {
    let home = Home::new();
    let made = home.path.join("made.csv.gz");
    let made = made.to_str().unwrap();
    assert_eq!(home.run(&["replay", made, "--synthetic", "48"]).code, 0);
    let server = super::fixture::Server::start_in(home, &[]);
    server.ok(&["apply", "-f", "examples/beijing"]);
    let real = root().join("../shared/data/beijing-air-quality/air_quality_2016-03_2017-02.csv.gz");
    let file = if real.exists() {
        real.to_str().unwrap().to_owned()
    } else {
        println!(
            "skipped: beijing-air-quality: the folder of real data is absent, a made-up file is sent"
        );
        made.to_owned()
    };
    let ran = server.run(&[
        "replay",
        &file,
        "--map",
        "examples/beijing/connection.yaml",
        "--limit",
        "576",
    ]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(
        ran.err
            .contains("576 rows sent, 576 acknowledged, 0 refused"),
        "{}",
        ran.err
    );
    let city = server.ok(&["get", "twins", "-o", "wide"]);
    assert!(city.contains("airQualityIndex="), "{city}");
}
