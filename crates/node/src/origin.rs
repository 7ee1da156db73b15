//! Which requests a loopback listener takes: those of this machine's own programs and pages.
//!
//! On loopback nobody logs in, so a web page in the user's browser must not be able to reach the
//! node: the host has to be a loopback name and the origin, where a browser sends one, has to be that
//! same host. HTTP and WebSocket alike.

use std::net::IpAddr;

/// Whether a request with these headers comes from this machine's own programs and pages, or why not.
pub fn check_loopback(host: Option<&str>, origin: Option<&str>) -> Result<(), String> {
    let Some(host) = host else { return Err("the request names no host".into()) };
    if !loopback_name(host) {
        return Err(format!("the host `{}` is not a name of this machine's loopback address", printable(host)));
    }
    // A page of another origin may send simple requests without asking first.
    let Some(origin) = origin else { return Ok(()) };
    let own = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"))
        .is_some_and(|authority| authority.eq_ignore_ascii_case(host));
    if own { Ok(()) } else { Err(format!("a page of `{}` may not use this server", printable(origin))) }
}

fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}

/// `localhost`, `*.localhost`, 127.0.0.0/8 or ::1, with any port: a forwarded port is another one.
fn loopback_name(authority: &str) -> bool {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((host, "")) => (host, None),
            Some((host, tail)) => match tail.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None => return false,
            },
            None => return false,
        },
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    if port.is_some_and(|text| text.parse::<u16>().is_err()) {
        return false;
    }
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(host: Option<&str>, origin: Option<&str>) -> bool {
        check_loopback(host, origin).is_ok()
    }

    #[test]
    fn loopback_names_pass_and_others_do_not() {
        for host in ["127.0.0.1:8080", "localhost:8080", "LOCALHOST:8080", "[::1]:8080", "a.localhost:8080", "127.9.9.9:8080", "localhost", "localhost:9000"] {
            assert!(ask(Some(host), None), "{host}");
        }
        for host in [
            "evil.example:8080", "127.0.0.1.evil.example:8080", "localhost:", "localhost:99999", "localhost:80:80", "10.0.0.1:8080",
            "[::1", "localhost.evil:8080", "", "127.0.0.1:8080@evil", "0.0.0.0:8080",
        ] {
            assert!(!ask(Some(host), None), "{host}");
        }
        assert!(!ask(None, None), "a request without a host");
    }

    #[test]
    fn foreign_pages_are_refused() {
        assert!(ask(Some("localhost:8080"), Some("http://localhost:8080")));
        assert!(ask(Some("localhost:9000"), Some("http://localhost:9000")), "a forwarded port");
        for origin in ["http://evil.example", "http://127.0.0.1:8080", "null", "http://localhost:3000", "file://", "http://localhost:8080.evil.example"] {
            assert!(!ask(Some("localhost:8080"), Some(origin)), "{origin}");
        }
    }
}
