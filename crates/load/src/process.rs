//! What the system says of processes: processor time, memory, open files.
//!
//! Read from `/proc`; where there is none, the answer is "unknown".

use std::time::Duration;

/// Length of a kernel tick: every Linux that Gemelli runs on counts 100 a second.
const TICK: Duration = Duration::from_millis(10);

/// Processor time that a process has used, user and system.
pub fn cpu(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name stands in parentheses and may hold spaces.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(TICK * (user + system))
}

/// Memory that a process holds, bytes.
pub fn resident(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

/// Too few files may be open at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{needed} files must be open at once, the system allows {allowed}: {} too few", needed - allowed)]
pub struct Shortfall {
    /// Files needed.
    pub needed: u64,
    /// The most that this process may have.
    pub allowed: u64,
}

/// Asks a process to end.
#[cfg(unix)]
pub fn ask_to_end(pid: u32) {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        // One that is gone needs no signal.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
}

/// There is no way to ask here: whoever waits for its end makes it end.
#[cfg(not(unix))]
pub fn ask_to_end(_: u32) {}

/// Makes sure that `needed` files may be open at once: this system sets no such limit.
#[cfg(not(unix))]
pub fn allow_files(_: u64) -> Result<(), Shortfall> {
    Ok(())
}

/// Makes sure that `needed` files may be open at once, raising the soft limit up to the hard one.
#[cfg(unix)]
pub fn allow_files(needed: u64) -> Result<(), Shortfall> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let allowed = limit.maximum.unwrap_or(needed);
    let raised = Rlimit {
        current: Some(needed.min(allowed)),
        maximum: limit.maximum,
    };
    let now = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => needed.min(allowed),
        Err(_) => limit.current.unwrap_or_default(),
    };
    if now < needed {
        Err(Shortfall {
            needed,
            allowed: now,
        })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_figures_are_there_where_proc_is() {
        if !std::path::Path::new("/proc/self/stat").exists() {
            println!("skipped: own_figures_are_there_where_proc_is: no /proc");
            return;
        }
        assert!(cpu(std::process::id()).is_some());
        assert!(resident(std::process::id()).is_some_and(|bytes| bytes > 1 << 16));
        assert_eq!(cpu(u32::MAX), None);
    }

    #[test]
    fn a_shortfall_names_both_figures() {
        assert_eq!(allow_files(3), Ok(()));
        let Err(shortfall) = allow_files(1 << 40) else {
            return;
        };
        assert_eq!(shortfall.needed, 1 << 40);
        assert!(
            shortfall
                .to_string()
                .contains(&shortfall.allowed.to_string())
        );
    }
}
