//! `cargo xtask test`: all tests, with every skip counted by name.

use crate::{
    step::{self, Done, Failed},
    tools, ui,
};
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    process::Stdio,
};

/// What the test output says, line by line.
#[derive(Debug, Default, PartialEq)]
pub struct Tally {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
    /// Name of what was missing, with how often and why first.
    pub skips: BTreeMap<String, (u64, String)>,
}

impl Tally {
    /// Reads a line of a test runner: its result, or `skipped: <name>: <reason>`.
    pub fn read(&mut self, line: &str) {
        if let Some(skip) = line.trim().strip_prefix("skipped: ") {
            let (name, reason) = skip.split_once(": ").unwrap_or((skip, "no reason given"));
            let entry = self
                .skips
                .entry(name.to_owned())
                .or_insert((0, reason.to_owned()));
            entry.0 += 1;
        } else if let Some(result) = line.strip_prefix("test result: ") {
            let number = |word: &str| -> u64 {
                result
                    .split(';')
                    .filter_map(|part| part.trim().rsplit(". ").next()?.strip_suffix(word))
                    .find_map(|n| n.trim().parse().ok())
                    .unwrap_or(0)
            };
            self.passed += number(" passed");
            self.failed += number(" failed");
        }
    }

    /// All skips together.
    pub fn skipped(&self) -> u64 {
        self.skips.values().map(|(count, _)| count).sum()
    }

    /// Names of skips that nobody allowed.
    pub fn forbidden<'a>(&'a self, allowed: &[String]) -> Vec<&'a str> {
        self.skips
            .keys()
            .map(String::as_str)
            .filter(|name| !allowed.iter().any(|a| a == name))
            .collect()
    }
}

/// Runs all tests. With at least one `--allow-skip` (or `--no-skips`) any other skip is a failure.
pub fn run(args: &[String]) -> Done {
    let (mut install, mut strict, mut allowed, mut rest) = (false, false, Vec::new(), Vec::new());
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--install" => install = true,
            "--no-skips" => strict = true,
            "--allow-skip" => {
                strict = true;
                allowed.push(
                    args.next()
                        .cloned()
                        .ok_or_else(|| Failed("--allow-skip takes a name".into()))?,
                );
            }
            "--" => rest.extend(args.by_ref().cloned()),
            other => {
                return Err(Failed(format!(
                    "test knows no option {other:?}: see `cargo xtask help`"
                )));
            }
        }
    }
    tools::prepare(install)?;
    ui::build();
    step::build(
        "building the tests (the first time compiles about 350 crates)",
        step::cargo().args(["test", "--release", "--workspace", "--no-run"]),
    )?;
    let tally = tests(&rest)?;
    for (name, (count, reason)) in &tally.skips {
        println!("skipped {count} for {name}: {reason}");
    }
    println!(
        "{} passed, {} failed, {} skipped",
        tally.passed,
        tally.failed,
        tally.skipped()
    );
    let forbidden = tally.forbidden(&allowed);
    if strict && !forbidden.is_empty() {
        return Err(Failed(format!(
            "skips that are not allowed here: {}",
            forbidden.join(", ")
        )));
    }
    if tally.failed > 0 {
        return Err(Failed(format!("{} tests failed", tally.failed)));
    }
    Ok(())
}

fn tests(filter: &[String]) -> Done<Tally> {
    let started = std::time::Instant::now();
    eprintln!("── running the tests");
    let mut child = step::cargo()
        .args([
            "test",
            "--release",
            "--workspace",
            "--no-fail-fast",
            "--quiet",
            "--",
        ])
        .args(["--show-output"])
        .args(filter)
        .stdout(Stdio::piped())
        .spawn()?;
    let mut tally = Tally::default();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            tally.read(&line);
            println!("{line}");
        }
    }
    let status = child.wait()?;
    eprintln!("   done in {}", step::elapsed(started.elapsed()));
    if !status.success() && tally.failed == 0 {
        return Err(Failed(format!("cargo test: {status}")));
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(text: &str) -> Tally {
        let mut tally = Tally::default();
        text.lines().for_each(|line| tally.read(line));
        tally
    }

    #[test]
    fn results_and_skips_are_counted() {
        let tally = tally(
            "skipped: mosquitto: not installed\n\
             test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n\
             skipped: mosquitto: not installed\n\
             test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out\n",
        );
        assert_eq!((tally.passed, tally.failed, tally.skipped()), (15, 2, 2));
        assert_eq!(tally.skips["mosquitto"], (2, "not installed".to_owned()));
    }

    #[test]
    fn a_skip_that_nobody_allowed_is_named() {
        let tally = tally("skipped: ip: needs root\nskipped: mqtt.js: no node\n");
        assert_eq!(tally.forbidden(&["ip".into()]), ["mqtt.js"]);
        assert!(tally.forbidden(&["ip".into(), "mqtt.js".into()]).is_empty());
    }
}
