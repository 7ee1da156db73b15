//! `cargo xtask first-run`: the README as a stranger meets it.
//!
//! Clones the last commit to an empty folder, gives it an empty HOME (the caches of cargo and
//! rustup stay, as they hold only what the network would give), runs the two commands of the
//! README and writes what was seen to `docs/first-run.md`.

use crate::step::{self, Done, Failed};
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

/// Longest wait for the demo's page, building included.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Runs the README's commands in a clean clone and writes the transcript.
pub fn run(args: &[String]) -> Done {
    let with_tests = !args.iter().any(|arg| arg == "--no-test");
    let place = std::env::temp_dir().join(format!("gemelli-first-run-{}", std::process::id()));
    let home = place.join("home");
    fs::create_dir_all(&home)?;
    let clone = place.join("gemelli");
    let mut git = Command::new("git");
    git.args(["clone", "--quiet", "--no-hardlinks"])
        .arg(step::root())
        .arg(&clone);
    step::run("a clean clone", &mut git)?;
    let commands = readme_commands(&fs::read_to_string(clone.join("README.md"))?);
    let mut page = String::from("# The first run, as a stranger meets it\n\n");
    let mut count = 0;
    for command in commands
        .iter()
        .filter(|command| with_tests || !command.ends_with("xtask test"))
    {
        count += 1;
        eprintln!("── {command}");
        let started = Instant::now();
        let (said, told) = if command.contains("demo") {
            demo(command, &clone, &home)?
        } else {
            whole(command, &clone, &home)?
        };
        page.push_str(&format!(
            "## `{command}`\n\n{told} Ended after {}.\n\n```text\n{said}```\n\n",
            step::elapsed(started.elapsed())
        ));
    }
    let built = folder_bytes(&clone.join("target"));
    page.push_str(&format!(
        "{count} commands; {:.1} GB under `target/`; the program is {:.1} MB.\n\
         Machine: {} processors. Written by `cargo xtask first-run`.\n",
        built as f64 / 1e9,
        fs::metadata(clone.join("target/release/gemelli")).map_or(0, |m| m.len()) as f64 / 1e6,
        std::thread::available_parallelism().map_or(0, usize::from),
    ));
    fs::write(step::root().join("docs/first-run.md"), page)?;
    fs::remove_dir_all(&place)?;
    eprintln!("wrote docs/first-run.md");
    Ok(())
}

/// The commands of the README's set-up: lines that begin with `$ cargo xtask` in its blocks.
fn readme_commands(readme: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    for line in readme.lines() {
        if let Some(command) = line.trim().strip_prefix("$ cargo xtask ") {
            let command = format!(
                "cargo xtask {}",
                command.split('#').next().unwrap_or(command).trim()
            );
            if (command.contains("demo") || command.ends_with("test"))
                && !commands.contains(&command)
            {
                commands.push(command);
            }
        }
    }
    commands
}

fn shell(command: &str, clone: &Path, home: &Path) -> Command {
    let kept = |name: &str, folder: &str| {
        std::env::var_os(name).map_or_else(
            || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(folder),
            PathBuf::from,
        )
    };
    let mut shell = Command::new("sh");
    shell
        .process_group(0)
        .args(["-c", &format!("exec {command} 2>&1")])
        .current_dir(clone)
        .env("CARGO_HOME", kept("CARGO_HOME", ".cargo"))
        .env("RUSTUP_HOME", kept("RUSTUP_HOME", ".rustup"))
        .env("HOME", home)
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("XDG_STATE_HOME")
        .env_remove("XDG_CONFIG_HOME")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    shell
}

fn whole(command: &str, clone: &Path, home: &Path) -> Done<(String, String)> {
    let output = shell(command, clone, home).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = text.lines().collect();
    let tail = lines.len().saturating_sub(12);
    let said: String = lines
        .iter()
        .skip(tail)
        .map(|line| format!("{line}\n"))
        .collect();
    if !output.status.success() {
        return Err(Failed(format!("{command}: {}\n{said}", output.status)));
    }
    Ok((said, format!("The last lines of {}.", lines.len())))
}

/// Starts the demo, waits for its page, sees that events flow, stops it as Ctrl-C does.
fn demo(command: &str, clone: &Path, home: &Path) -> Done<(String, String)> {
    let started = Instant::now();
    let mut child = shell(command, clone, home).spawn()?;
    let (send, lines) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if send.send((Instant::now(), line)).is_err() {
                    break;
                }
            }
        });
    }
    let seen = watch(&lines, started);
    interrupt(&child)?;
    let ended = ended(&mut child)?;
    let (mut said, told) = seen?;
    for (_, line) in lines.try_iter() {
        said.push_str(&format!("{line}\n"));
    }
    if !ended {
        return Err(Failed(format!("{command} does not stop after Ctrl-C")));
    }
    Ok((said, told))
}

fn watch(lines: &mpsc::Receiver<(Instant, String)>, started: Instant) -> Done<(String, String)> {
    let mut said = String::new();
    let mut built = started;
    loop {
        let (at, line) = lines
            .recv_timeout(PATIENCE.saturating_sub(started.elapsed()))
            .map_err(|_| Failed(format!("the demo printed no HTTP address:\n{said}")))?;
        said.push_str(&format!("{line}\n"));
        if line.trim_start().starts_with("done in") {
            built = at;
        }
        let Some(address) = line.split("http://").nth(1) else {
            continue;
        };
        let address: String = address
            .chars()
            .take_while(|c| c.is_ascii_digit() || ".:".contains(*c))
            .collect();
        let first = events(&address, Duration::from_secs(60))?;
        let live = built.elapsed();
        return Ok((
            said,
            format!(
                "Built after {}; from there to a page with live events in {:.2} s ({first} events by then).",
                step::elapsed(built - started),
                live.as_secs_f32()
            ),
        ));
    }
}

/// Waits until the overview counts events.
fn events(address: &str, patience: Duration) -> Done<u64> {
    let started = Instant::now();
    while started.elapsed() < patience {
        if let Ok(body) = get(address, "/v1/overview")
            && let Ok(json) = serde_json::from_str::<serde_json::Value>(&body)
            && let Some(count) = json["events"].as_u64().or(json["events"]["total"].as_u64())
            && count > 0
        {
            return Ok(count);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Err(Failed(format!(
        "no event arrived at http://{address}/v1/overview within {} s",
        patience.as_secs()
    )))
}

fn get(address: &str, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer
        .split_once("\r\n\r\n")
        .map(|(_, body)| body.to_owned())
        .unwrap_or_default())
}

/// What Ctrl-C does: everything that the command started hears of it.
fn interrupt(child: &Child) -> Done {
    Command::new("kill")
        .args(["-INT", "--", &format!("-{}", child.id())])
        .status()?;
    Ok(())
}

fn ended(child: &mut Child) -> Done<bool> {
    for _ in 0..300 {
        if child.try_wait()?.is_some() {
            return Ok(true);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    child.kill()?;
    child.wait()?;
    Ok(false)
}

fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    entries
        .filter_map(Result::ok)
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => folder_bytes(&entry.path()),
            Ok(kind) if kind.is_file() => entry.metadata().map_or(0, |m| m.len()),
            _ => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_up_of_the_readme_is_found() {
        let readme = "```console\n$ cargo xtask demo city   # a city\n$ cargo xtask test\n```\n\
                      ```console\n$ gemelli get twins\n$ cargo xtask check\n```\n";
        assert_eq!(
            readme_commands(readme),
            ["cargo xtask demo city", "cargo xtask test"]
        );
    }
}
