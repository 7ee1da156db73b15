//! What derived properties send: a command must be one that a twin at the relationship's end can take.

use super::Draft;
use crate::Rejection;
use gemelli_model::{InterfaceId, interface::Emit, nearest};
use std::collections::BTreeMap;

/// Refuses an `emit: command` that no interface at its relationship's target knows. A relationship
/// to twins of any kind, or of an interface that is not there yet, promises nothing to check.
pub(super) fn check(drafts: &BTreeMap<InterfaceId, Draft>) -> Result<(), Rejection> {
    for draft in drafts.values() {
        for slot in draft.slots.iter().filter(|s| s.from == draft.source.id) {
            let Some(Emit::Command { name, relationship }) = &slot.emit else {
                continue;
            };
            let Some(target) = draft
                .resolved
                .relationship(relationship)
                .and_then(|declared| declared.target.as_ref())
                .filter(|target| drafts.contains_key(target.as_str()))
            else {
                continue;
            };
            let targets = || {
                let all = drafts.values().map(|d| &d.resolved);
                all.filter(|resolved| resolved.is_a(target.as_str()))
            };
            if targets().any(|t| t.open || t.command(name).is_some()) {
                continue;
            }
            let known = || {
                let commands = targets().flat_map(|t| &t.commands);
                commands.map(|command| &*command.item.name)
            };
            let remedy = nearest::name(name, known()).map_or_else(
                || format!("declare the command in interface {target}"),
                |near| format!("did you mean {near}?"),
            );
            let what = format!(
                "emit sends command {name} along {relationship}, but interface {target} has no such command"
            );
            return Err(draft.fault(
                (&slot.name, "/emit/command/name"),
                "unknown-command",
                what,
                &remedy,
            ));
        }
    }
    Ok(())
}
