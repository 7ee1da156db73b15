//! From text to CEL's own tree, within the limits of what the parser may see.

use super::{Error, MAX_DEPTH, MAX_SOURCE_BYTES, fault};
use cel::{Env, IdedExpr, ParseErrors, common::ast::SourceInfo};

/// Parses an expression; the places say where in the source, in bytes, each part stands.
pub(super) fn parse(source: &str) -> Result<(IdedExpr, SourceInfo), Error> {
    check_size(source)?;
    // Without macros: `has`, `map` and their like stay calls, and are compiled as such.
    let parser = Env::default()
        .parser()
        .enable_optional_syntax(false)
        .max_recursion_depth(MAX_DEPTH as u16)
        .error_recovery_limit(1);
    parser
        .parse_with_source_info(source)
        .map_err(|errors| syntax(source, &errors))
}

/// Refuses what the parser should not even see: its stack grows with nesting.
fn check_size(source: &str) -> Result<(), Error> {
    if source.len() > MAX_SOURCE_BYTES {
        return Err(Error {
            message: format!(
                "an expression holds at most {MAX_SOURCE_BYTES} bytes, this one has {}",
                source.len()
            ),
            line: 1,
            column: 1,
            remedy: "split it into several derived properties".to_owned(),
        });
    }
    let mut depth = 0usize;
    for (at, byte) in source.bytes().enumerate() {
        match byte {
            b'(' | b'[' | b'{' | b'?' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth > MAX_DEPTH {
            return Err(too_deep(source, at as u32));
        }
    }
    Ok(())
}

/// The error for a part that is nested too deeply.
pub(super) fn too_deep(source: &str, at: u32) -> Error {
    let (line, column) = fault::position(source, at);
    Error {
        message: format!("nested deeper than {MAX_DEPTH}"),
        line,
        column,
        remedy: "split it into several derived properties".to_owned(),
    }
}

/// The parser's first complaint, without its list of all tokens that it would have liked better.
fn syntax(source: &str, errors: &ParseErrors) -> Error {
    let Some(first) = errors.errors.first() else {
        return too_deep(source, 0);
    };
    let message = first.msg.split(" expecting ").next().unwrap_or(&first.msg);
    let message = message.strip_prefix("Syntax error: ").unwrap_or(message);
    if message == "UNKNOWN" {
        return too_deep(source, 0);
    }
    let at_least_one = |n: isize| u32::try_from(n).unwrap_or(1).max(1);
    Error {
        message: format!("not an expression: {}", message.trim()),
        line: at_least_one(first.pos.0),
        column: at_least_one(first.pos.1),
        remedy: "see docs/expressions.md for the language".to_owned(),
    }
}
