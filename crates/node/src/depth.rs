//! How deep JSON may nest: what is stepped has to be writable, and readable again.

use gemelli_engine::Rejection;
use gemelli_event::{Body, record::Command};
use gemelli_model::Value;

/// Deepest nesting of a payload or of a command's values. The log's own bound is higher, as commands
/// and derived values wrap what they hold.
pub const DEPTH: usize = 64;

/// Refuses what nests deeper than [`DEPTH`].
pub fn check(body: &Body) -> Result<(), Rejection> {
    let deep = match body {
        Body::Event(event) => of_text(&event.payload) > DEPTH,
        Body::Command(command) => of_command(command) > DEPTH,
        _ => false,
    };
    if deep {
        let reason = format!("the JSON nests deeper than {DEPTH} levels");
        return Err(Rejection::new("too-large", reason, "send it flatter"));
    }
    Ok(())
}

/// Nesting of JSON text: of broken text, something that is not less than a parser would meet.
fn of_text(text: &[u8]) -> usize {
    if text.iter().filter(|b| matches!(b, b'{' | b'[')).count() <= DEPTH {
        return 0;
    }
    let (mut depth, mut most, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in text {
        match (quoted, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => quoted = !quoted,
            (false, b'{' | b'[') => {
                depth += 1;
                most = most.max(depth);
            }
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    most
}

fn of_command(command: &Command) -> usize {
    match command {
        Command::Apply { manifests } => manifests.iter().map(of_value).max().unwrap_or(0),
        Command::Put { properties, .. } => of_value(properties),
        Command::Patch { patch, .. } | Command::Amend { patch, .. } => of_value(patch),
        Command::Telemetry { data, .. } => of_value(data),
        Command::Relate { edge, .. } | Command::Incoming { edge, .. } => of_value(&edge.properties),
        Command::Delete { .. }
        | Command::Stop { .. }
        | Command::Start { .. }
        | Command::Unrelate { .. }
        | Command::Remove { .. }
        | Command::Retire { .. }
        | Command::Withdraw { .. }
        | Command::Defined { .. } => 0,
    }
}

/// Nesting of a value. Values come from parsers that bound their own depth.
fn of_value(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(of_value).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.iter().map(|(_, v)| of_value(v)).max().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_in_texts_do_not_count() {
        let flat = format!(r#"{{"a":"{}\"[","b":[]}}"#, "[{".repeat(200));
        assert_eq!(of_text(flat.as_bytes()), 2);
        assert_eq!(of_text("[".repeat(500).as_bytes()), 500);
        assert_eq!(of_text("[]".repeat(500).as_bytes()), 1);
    }
}
