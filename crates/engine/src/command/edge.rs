//! What an edge must be, checked alike by Relate and Apply.

use crate::{
    Compiled, Rejection,
    payload::{Place, mismatched},
};
use gemelli_event::record::Edge;
use gemelli_model::{Value, id, nearest};
use std::sync::Arc;

/// The edge with its relationship's name and its properties in the interface's form. `same` counts
/// the source's other edges of that name, `place` says where a property stands in what asks for it.
pub(super) fn check(
    source: &Compiled,
    edge: &Edge,
    target: Option<&Compiled>,
    same: impl FnOnce(&str) -> usize,
    place: impl Fn(&str) -> Place,
) -> Result<(Arc<str>, Value), Rejection> {
    let about = format!("relationship {} of twin {}", edge.id, edge.source);
    id::check(&edge.id).map_err(|why| {
        Rejection::new(
            "malformed-id",
            format!("{about} cannot be: {why}"),
            "choose another id",
        )
    })?;
    let resolved = source.resolved();
    if target.is_none() && !resolved.open {
        let reason = format!("{about} ends at twin {}, which does not exist", edge.target);
        return Err(Rejection::new(
            "unknown-twin",
            reason,
            "create the target first",
        ));
    }
    let Some(declared) = resolved.relationship(&edge.name) else {
        if resolved.open {
            return Ok((edge.name.clone(), edge.properties.clone()));
        }
        let known = resolved.relationships.iter().map(|r| &*r.item.name);
        let remedy = nearest::name(&edge.name, known).map_or_else(
            || "declare it in the interface".into(),
            |near| format!("did you mean {near}?"),
        );
        let reason = format!(
            "{about}: interface {} has no relationship {}",
            source.id(),
            edge.name
        );
        return Err(Rejection::new("unknown-field", reason, remedy));
    };
    if let (Some(wanted), Some(target), false) = (&declared.target, target, resolved.open)
        && !target.is_a(wanted.as_str())
    {
        let reason = format!(
            "{about} ends at twin {} of interface {}, but {} ends at {wanted}",
            edge.target,
            target.id(),
            declared.name
        );
        return Err(Rejection::new(
            "wrong-type",
            reason,
            format!("choose a twin of {wanted}"),
        ));
    }
    if let (Some(most), false) = (declared.max_multiplicity, resolved.open)
        && same(&declared.name) >= most as usize
    {
        let reason = format!(
            "twin {} has {most} relationships {} already, the most allowed",
            edge.source, declared.name
        );
        return Err(Rejection::new(
            "limit-reached",
            reason,
            "delete one of them first",
        ));
    }
    let fields = match &edge.properties {
        Value::Null => return Ok((declared.name.clone(), Value::Null)),
        Value::Object(fields) => fields,
        other => {
            let reason = format!(
                "{about}: its properties are {}, not an object",
                other.kind()
            );
            return Err(Rejection::new(
                "wrong-type",
                reason,
                "give an object of members and values",
            ));
        }
    };
    let fit = |name: &Arc<str>, value: &Value| {
        let Some(property) = declared.properties.iter().find(|p| p.name == *name) else {
            if resolved.open {
                return Ok((name.clone(), value.clone()));
            }
            let reason = format!("{about}: {} has no property {name}", declared.name);
            let known = declared.properties.iter().map(|p| &*p.name);
            let remedy = nearest::name(name, known).map_or_else(
                || "declare it in the interface".into(),
                |near| format!("did you mean {near}?"),
            );
            return Err(Rejection::new("unknown-field", reason, remedy));
        };
        let fits = property.schema.check(value);
        let fits = fits.map_err(|m| mismatched(source, name, &m))?;
        Ok((name.clone(), fits))
    };
    let (mut fitted, mut refused) = (Vec::new(), Vec::new());
    for (name, value) in fields.iter().filter(|(name, _)| !name.starts_with('$')) {
        match fit(name, value) {
            Ok(pair) => fitted.push(pair),
            Err(why) => {
                let (kind, holder, pointer) = place(name);
                refused.push(why.at(kind, &holder, pointer));
            }
        }
    }
    Rejection::any_of(refused)?;
    Ok((
        declared.name.clone(),
        if fitted.is_empty() {
            Value::Null
        } else {
            Value::Object(fitted.into())
        },
    ))
}
