//! What twins hold is theirs: definitions that would take values from them are refused.

use super::Definitions;
use crate::{Compiled, Rejection, state::State};
use gemelli_model::{InterfaceId, TwinId, Value};
use std::{collections::BTreeMap, sync::Arc};

/// Longest part of a value that a refusal repeats, in characters.
const EXCERPT: usize = 40;

/// A member whose values would be lost.
struct Lost {
    goes: bool,
    twins: usize,
    example: (TwinId, Value),
}

impl Definitions {
    /// Refuses a change that leaves no place for values that twins hold now. What is computed is
    /// computed anew, and a member that is computed from now on gives up what was reported.
    pub(crate) fn check_held(&self, state: &State) -> Result<(), Rejection> {
        let mut lost: BTreeMap<(InterfaceId, Arc<str>), Lost> = BTreeMap::new();
        for twin in state.ids().iter().filter_map(|id| state.get(id.as_str())) {
            let Some(now) = self.interface(twin.interface.id().as_str()) else {
                continue;
            };
            if Arc::ptr_eq(now, &twin.interface) {
                continue;
            }
            for (slot, cell) in twin.interface.slots().iter().zip(&twin.cells) {
                if slot.derived() || cell.value.is_null() {
                    continue;
                }
                let target = now.slot_of(&slot.name).and_then(|new| now.slot(new));
                let kept =
                    target.is_some_and(|t| t.derived() || now.fit(t, cell.value.clone()).is_ok());
                if kept {
                    continue;
                }
                lost.entry((now.id().clone(), slot.name.clone()))
                    .and_modify(|lost| lost.twins += 1)
                    .or_insert_with(|| Lost {
                        goes: target.is_none(),
                        twins: 1,
                        example: (twin.id.clone(), cell.value.clone()),
                    });
            }
        }
        let refused = lost.into_iter().filter_map(|((interface, member), lost)| {
            Some(refusal(self.interface(interface.as_str())?, &member, &lost))
        });
        Rejection::any_of(refused.collect())
    }
}

fn refusal(interface: &Compiled, member: &str, lost: &Lost) -> Rejection {
    let (twin, value) = &lost.example;
    let (twins, holds, hold) = match lost.twins {
        1 => ("1 twin".to_owned(), "holds", "holds"),
        n => (format!("{n} twins"), "hold", "hold"),
    };
    let value: String = value.to_string().chars().take(EXCERPT).collect();
    let reason = match lost.goes {
        true => format!("member {member} goes while {twins} {hold} a value ({twin}: {value})"),
        false => format!(
            "the new form of member {member} does not accept what {twins} {holds} ({twin}: {value})"
        ),
    };
    let source = interface.source();
    let property = source.properties.iter().position(|p| *p.name == *member);
    let telemetry = source.telemetry.iter().position(|t| *t.name == *member);
    let pointer = match (property, telemetry) {
        (Some(at), _) => format!("/spec/properties/{at}/schema"),
        (_, Some(at)) => format!("/spec/telemetry/{at}/schema"),
        _ => "/spec".into(),
    };
    Rejection::new(
        "in-use",
        format!("interface {}: {reason}", interface.id()),
        format!("keep {member} and declare the new form under another name; or first remove the values by PATCH, or delete the twins"),
    )
    .at("Interface", interface.id().as_str(), pointer)
}
