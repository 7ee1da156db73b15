//! One step of a task: a command that says how long it takes.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, IsTerminal},
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Why a task stopped, in one sentence.
#[derive(Debug)]
pub struct Failed(pub String);

/// What a task gives.
pub type Done<T = ()> = Result<T, Failed>;

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

/// The folder of the workspace.
pub fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(PathBuf::from).unwrap_or(here)
}

/// Where cargo builds.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The built program.
pub fn gemelli() -> PathBuf {
    target().join("release/gemelli")
}

/// The cargo that runs us.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Seconds as people read them.
pub fn elapsed(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", time.as_secs_f32()),
        10..60 => format!("{seconds} s"),
        _ => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

/// Runs a command as it is and fails if it does.
pub fn run(what: &str, command: &mut Command) -> Done {
    let started = Instant::now();
    eprintln!("── {what}");
    let status = command
        .status()
        .map_err(|e| Failed(format!("{what}: {e}")))?;
    if !status.success() {
        return Err(Failed(format!("{what}: {status}")));
    }
    eprintln!("   done in {}", elapsed(started.elapsed()));
    Ok(())
}

/// The output of a command, if it ends well.
pub fn output<S: AsRef<OsStr>>(program: &str, args: &[S]) -> Option<String> {
    let output = Command::new(program)
        .args(args)
        .current_dir(root())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Runs a build. On a terminal cargo shows its own progress; elsewhere a line every ten seconds
/// says how far it is. What the compiler said is shown when it fails.
pub fn build(what: &str, command: &mut Command) -> Done {
    if std::io::stderr().is_terminal() {
        return run(what, command);
    }
    let started = Instant::now();
    eprintln!("── {what}");
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| Failed(format!("{what}: {e}")))?;
    let mut said = Vec::new();
    let (mut compiled, mut last) = (0, Instant::now());
    if let Some(stderr) = child.stderr.take() {
        for line in BufReader::new(stderr).lines() {
            let line = line?;
            let step = line.trim_start();
            if step.starts_with("Compiling ") || step.starts_with("Checking ") {
                compiled += 1;
                if last.elapsed() > Duration::from_secs(10) {
                    last = Instant::now();
                    eprintln!("   {compiled} crates, {}", elapsed(started.elapsed()));
                }
            }
            said.push(line);
        }
    }
    let status = child.wait()?;
    if !status.success() {
        for line in &said {
            eprintln!("{line}");
        }
        return Err(Failed(format!("{what}: {status}")));
    }
    eprintln!(
        "   done in {} ({compiled} crates built)",
        elapsed(started.elapsed())
    );
    Ok(())
}

/// Builds the program with the profile that demo, test and bench share.
pub fn build_gemelli() -> Done {
    crate::ui::build();
    build(
        "building gemelli (the first time compiles about 300 crates)",
        cargo().args(["build", "--release", "--package", "gemelli"]),
    )
}
