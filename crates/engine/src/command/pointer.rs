//! JSON Patch (RFC 6902) on values: one operation, read and applied.
//!
//! Knows nothing of twins. Strictly, what is replaced, removed or looked at must be there; otherwise
//! a replacement adds, as old commands of the log have it.

use crate::Rejection;
use gemelli_model::Value;
use std::sync::Arc;

/// The JSON pointer of these steps.
pub(super) fn of(steps: &[&str]) -> String {
    let escaped = steps
        .iter()
        .map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1")));
    escaped.collect()
}

/// One operation of a JSON Patch.
pub(super) struct Operation<'a> {
    pub op: Op,
    /// At least one step.
    pub path: Vec<String>,
    /// Null for a removal.
    pub value: &'a Value,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Add,
    Replace,
    Remove,
    Test,
}

/// Reads the operations of a patch; `about` is what the patch is for.
pub(super) fn read<'a>(about: &str, patch: &'a Value) -> Result<Vec<Operation<'a>>, Rejection> {
    const ABSENT: &Value = &Value::Null;
    let malformed = |why: &str| malformed(about, why);
    let Value::Array(operations) = patch else {
        return Err(malformed("a JSON Patch is a list of operations"));
    };
    let read = operations.iter().map(|operation| {
        let op = match operation.get("op").and_then(Value::as_str) {
            Some("add") => Op::Add,
            Some("replace") => Op::Replace,
            Some("remove") => Op::Remove,
            Some("test") => Op::Test,
            _ => return Err(malformed("op is one of add, replace, remove, test")),
        };
        let path = operation
            .get("path")
            .and_then(Value::as_str)
            .and_then(|p| p.strip_prefix('/'))
            .ok_or_else(|| malformed("path is a JSON pointer such as /member"))?;
        let value = match operation.get("value") {
            Some(value) => value,
            None if op == Op::Remove => ABSENT,
            None => return Err(malformed("an operation other than remove needs a value")),
        };
        let path = path
            .split('/')
            .map(|step| step.replace("~1", "/").replace("~0", "~"))
            .collect();
        Ok(Operation { op, path, value })
    });
    read.collect()
}

/// The rejection of a patch that cannot be.
pub(super) fn malformed(about: &str, why: &str) -> Rejection {
    Rejection::new(
        "malformed-patch",
        format!("patch of {about}: {why}"),
        "send [{\"op\": \"replace\", \"path\": \"/member\", \"value\": 1}]",
    )
}

impl Operation<'_> {
    /// Its path as text.
    pub(super) fn pointer(&self) -> String {
        of(&self.path.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Does it to the value that the first step leads to; what it becomes, null if it goes.
    pub(super) fn apply(
        &self,
        about: &str,
        held: &Value,
        strict: bool,
    ) -> Result<Value, Rejection> {
        let rest = self.path.get(1..).unwrap_or_default();
        let missing = || malformed(about, &format!("{} does not exist", self.pointer()));
        if self.op == Op::Test {
            let at = rest
                .iter()
                .try_fold(held, |value, step| child(value, step))
                .filter(|at| !strict || !at.is_null())
                .ok_or_else(missing)?;
            if at == self.value {
                return Ok(held.clone());
            }
            let reason = format!("{about}: {} is {at}", self.pointer());
            return Err(Rejection::new(
                "precondition-failed",
                reason,
                "read it again, then repeat the change",
            ));
        }
        self.write(held, rest, strict).ok_or_else(missing)
    }

    fn write(&self, held: &Value, path: &[String], strict: bool) -> Option<Value> {
        let (op, new) = (self.op, self.value);
        let Some((step, rest)) = path.split_first() else {
            return match op {
                Op::Replace | Op::Remove if strict && held.is_null() => None,
                Op::Remove => Some(Value::Null),
                _ => Some(new.clone()),
            };
        };
        let last = rest.is_empty();
        match held {
            Value::Object(fields) => {
                let mut fields = fields.to_vec();
                let at = fields.iter().position(|(name, _)| **name == **step);
                match (at, last) {
                    (Some(at), true) if op == Op::Remove => drop(fields.remove(at)),
                    (Some(at), _) => {
                        let (_, place) = fields.get_mut(at)?;
                        *place = self.write(place, rest, strict)?;
                    }
                    (None, true) if op == Op::Add || (op == Op::Replace && !strict) => {
                        fields.push((step.as_str().into(), new.clone()));
                    }
                    (None, _) => return None,
                }
                Some(Value::Object(fields.into()))
            }
            Value::Array(items) => {
                let mut items = items.to_vec();
                if step == "-" {
                    if !last || op == Op::Remove || (strict && op == Op::Replace) {
                        return None;
                    }
                    items.push(new.clone());
                    return Some(Value::Array(items.into()));
                }
                let at = step.parse::<usize>().ok()?;
                match op {
                    Op::Remove if last => {
                        items.get(at)?;
                        items.remove(at);
                    }
                    Op::Add if last && strict => {
                        items.get(..at)?;
                        items.insert(at, new.clone());
                    }
                    _ => {
                        let place = items.get_mut(at)?;
                        *place = self.write(place, rest, strict)?;
                    }
                }
                Some(Value::Array(items.into()))
            }
            Value::Null if last && !strict && op != Op::Remove => Some(Value::Object(
                [(Arc::from(step.as_str()), new.clone())].into(),
            )),
            _ => None,
        }
    }
}

fn child<'a>(value: &'a Value, step: &str) -> Option<&'a Value> {
    match value {
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        _ => value.get(step),
    }
}
