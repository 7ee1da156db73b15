//! Ports of this machine: whether one is free, who holds it, which is the next.

use crate::failure::{Exit, Failure};
use std::{
    fs, io,
    net::{SocketAddr, TcpListener},
};

/// Ports tried after a default one that is taken.
const TRIED: u16 = 100;

/// An address that can be listened on now: the one asked for, or, if it may move, the next free one.
pub fn free(address: SocketAddr, moves: bool, flag: &str) -> Result<SocketAddr, Failure> {
    let last = if moves {
        address.port().saturating_add(TRIED)
    } else {
        address.port()
    };
    for port in address.port()..=last {
        let tried = SocketAddr::new(address.ip(), port);
        match TcpListener::bind(tried) {
            Ok(_) => return Ok(tried),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => {
                let remedy = format!("name an address of this machine with {flag}");
                return Err(Failure::new(
                    Exit::Failed,
                    "bad-options",
                    format!("cannot listen on {tried}: {error}"),
                    remedy,
                ));
            }
        }
    }
    Err(taken(address, flag))
}

/// The failure that names who holds an address.
pub fn taken(address: SocketAddr, flag: &str) -> Failure {
    let holder = match holder(address.port()) {
        Some(holder) => format!("held by {holder}"),
        None => "held by another process that this user may not see".into(),
    };
    let remedy =
        format!("stop it, or choose another address with {flag} (port 0 takes a free one)");
    Failure::new(
        Exit::Conflict,
        "port-taken",
        format!("{address} is {holder}"),
        remedy,
    )
}

/// The process that listens on a port: its name and number. Only where `/proc` tells.
pub fn holder(port: u16) -> Option<String> {
    let sockets: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening(&table, port))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    if sockets.is_empty() {
        return None;
    }
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = process
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let Ok(open) = fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        let targets = open
            .flatten()
            .filter_map(|file| fs::read_link(file.path()).ok());
        if targets.into_iter().any(|target| {
            sockets
                .iter()
                .any(|socket| target.as_os_str() == socket.as_str())
        }) {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("{} (process {pid})", name.trim()));
        }
    }
    None
}

/// Inodes of the sockets that listen on a port, from the text of a table of the kernel.
fn listening(table: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let suffix = format!(":{port:04X}");
    let rows = table
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| {
        row.get(1).is_some_and(|local| local.ends_with(&suffix)) && row.get(3) == Some(&LISTEN)
    })
    .filter_map(|row| row.get(9).map(|inode| (*inode).to_owned()))
    .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_taken_port_names_its_holder_or_moves() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = held.local_addr().unwrap();
        let failure = free(address, false, "--http").unwrap_err();
        assert_eq!(
            (failure.code.as_str(), failure.exit),
            ("port-taken", Exit::Conflict)
        );
        if std::path::Path::new("/proc/net/tcp").exists() {
            assert!(
                failure
                    .message
                    .contains(&format!("process {}", std::process::id())),
                "{}",
                failure.message
            );
        }
        assert_ne!(
            free(address, true, "--http").unwrap().port(),
            address.port()
        );
    }

    #[test]
    fn the_kernels_table_is_read_by_column() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0 100 0 0 10 0\n   1: 0100007F:1F90 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4243 1 0 100 0 0 10 0\n";
        assert_eq!(listening(table, 8080), ["4242"]);
        assert!(listening(table, 8081).is_empty());
    }
}
