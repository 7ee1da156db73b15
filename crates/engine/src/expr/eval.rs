//! Runs the tree of an expression.

use super::{
    MAX_STEPS, Scope, Table,
    fault::Fault,
    functions::{self, article},
    names::Numbers,
    node::{Each, Kind, Node, Operator, Walk},
    operations::{
        arithmetic, compare, element, look_up, malformed_table, not_true_or_false, numbers, read,
    },
};
use gemelli_model::Value;
use std::sync::Arc;

/// Bytes of a joined text that count as one step.
const BYTES_PER_STEP: usize = 64;

/// Runs an expression; a result that is not finite is undefined.
pub(super) fn run(
    root: &Node,
    members: &[Arc<str>],
    locals: usize,
    scope: &dyn Scope,
) -> Result<Value, Fault> {
    let mut run = Run {
        members,
        scope,
        locals: if locals == 0 {
            Vec::new()
        } else {
            vec![Value::Null; locals]
        },
        steps: 0,
    };
    match run.eval(root)? {
        Value::Double(x) if !x.is_finite() => Err(Fault::Undefined),
        value => Ok(value),
    }
}

struct Run<'a> {
    members: &'a [Arc<str>],
    scope: &'a dyn Scope,
    locals: Vec<Value>,
    steps: u32,
}

impl Run<'_> {
    /// The value of a part. What has no operands is read on the spot: it is no step.
    #[inline]
    fn eval(&mut self, node: &Node) -> Result<Value, Fault> {
        match &node.kind {
            Kind::Constant(Value::Double(x)) => Ok(Value::Double(*x)),
            Kind::Member(index, numbers) => {
                let name = self.members.get(*index).ok_or(Fault::Undefined)?;
                read(self.scope.get_at(*index, name), *numbers)
            }
            _ => self.operate(node),
        }
    }

    fn operate(&mut self, node: &Node) -> Result<Value, Fault> {
        self.count(1, node.at)?;
        match &node.kind {
            Kind::Constant(Value::Null) => Err(Fault::Undefined),
            Kind::Constant(value) => Ok(value.clone()),
            Kind::Member(..) => self.eval(node),
            Kind::Previous(index, numbers) => {
                let name = self.members.get(*index).ok_or(Fault::Undefined)?;
                read(self.scope.prev(name), *numbers)
            }
            Kind::Since(index) => {
                let name = self.members.get(*index).ok_or(Fault::Undefined)?;
                self.scope
                    .since_ms(name)
                    .map(Value::Int)
                    .ok_or(Fault::Undefined)
            }
            Kind::Now => Ok(Value::Int(self.scope.now_ms())),
            Kind::Local(index, json) => read(self.locals.get(*index).cloned(), numbers(*json)),
            Kind::Defined(of) => match self.eval(of) {
                Ok(value) => Ok(Value::Bool(!value.is_null())),
                Err(Fault::Undefined) => Ok(Value::Bool(false)),
                Err(wrong) => Err(wrong),
            },
            Kind::Not(of) => match self.eval(of)? {
                Value::Bool(b) => Ok(Value::Bool(!b)),
                other => Err(not_true_or_false(&other, node.at)),
            },
            Kind::Negative(of) => match self.eval(of)? {
                Value::Double(x) => Ok(Value::Double(-x)),
                Value::Int(n) => n
                    .checked_neg()
                    .map(Value::Int)
                    .ok_or_else(|| Fault::overflow(node.at)),
                other => Err(Fault::wrong(
                    node.at,
                    format!("`-` takes a number, not {}", article(&other)),
                    "check what the member holds",
                )),
            },
            Kind::Arithmetic(operator, pair) => {
                let [a, b] = &**pair;
                match (self.eval(a)?, self.eval(b)?) {
                    (Value::Double(a), Value::Double(b)) => Ok(Value::Double(operator.of(a, b))),
                    (a, b) => self.combine(*operator, &a, &b, node.at),
                }
            }
            Kind::Order(relation, pair) => {
                let [a, b] = &**pair;
                match (self.eval(a)?, self.eval(b)?) {
                    (Value::Double(a), Value::Double(b)) => Ok(Value::Bool(relation.of(&a, &b))),
                    (a, b) => compare(*relation, &a, &b, node.at),
                }
            }
            Kind::Equal(pair, negated) => {
                let [a, b] = &**pair;
                let (a, b) = (self.eval(a)?, self.eval(b)?);
                // As in IEEE 754: what is no number equals nothing, not even itself.
                let nan = matches!(a, Value::Double(x) if x.is_nan());
                Ok(Value::Bool((!nan && a == b) != *negated))
            }
            Kind::In(pair) => {
                let [what, of] = &**pair;
                let (what, of) = (self.eval(what)?, self.eval(of)?);
                self.contained(&what, &of, node.at)
            }
            Kind::And(pair) => self.short_circuit(pair, false),
            Kind::Or(pair) => self.short_circuit(pair, true),
            Kind::Choice(parts) => {
                let [condition, yes, no] = &**parts;
                match self.eval(condition)? {
                    Value::Bool(true) => self.eval(yes),
                    Value::Bool(false) => self.eval(no),
                    other => Err(not_true_or_false(&other, condition.at)),
                }
            }
            Kind::Call(function, arguments, json) => {
                let result = self.call(*function, arguments, node.at)?;
                if *json {
                    read(Some(result), Numbers::Double)
                } else {
                    Ok(result)
                }
            }
            Kind::Lookup(question, x, table) => {
                let x = self.eval(x)?;
                look_up(*question, &x, table, node.at)
            }
            Kind::Each(each) => self.walk(each, node.at),
            _ => self.structure(node),
        }
    }

    /// Parts that make or read lists and objects.
    #[inline(never)]
    fn structure(&mut self, node: &Node) -> Result<Value, Fault> {
        match &node.kind {
            Kind::Field(of, name, json) => {
                let of = self.eval(of)?;
                match &of {
                    Value::Object(_) => read(of.get(name).cloned(), numbers(*json)),
                    other => Err(Fault::wrong(
                        node.at,
                        format!("{} has no field `{name}`", article(other)),
                        "check what the member holds",
                    )),
                }
            }
            Kind::Element(pair, json) => {
                let [of, index] = &**pair;
                let (of, index) = (self.eval(of)?, self.eval(index)?);
                element(&of, &index, *json, node.at)
            }
            Kind::List(items) => {
                let items: Result<Vec<Value>, Fault> = items.iter().map(|i| self.eval(i)).collect();
                Ok(Value::Array(items?.into()))
            }
            Kind::Object(fields) => {
                let fields: Result<Vec<_>, Fault> = fields
                    .iter()
                    .map(|(name, value)| Ok((name.clone(), self.eval(value)?)))
                    .collect();
                Ok(Value::Object(fields?.into()))
            }
            Kind::LookupIn(question, pair) => {
                let [x, rows] = &**pair;
                let (x, rows) = (self.eval(x)?, self.eval(rows)?);
                let table = match &rows {
                    Value::Array(rows) => Table::from_list(rows),
                    _ => None,
                };
                let table = table.ok_or_else(|| malformed_table(node.at))?;
                look_up(*question, &x, &table, node.at)
            }
            _ => Err(Fault::Undefined),
        }
    }

    /// Operations on what are not two doubles; those that make something long are many steps.
    #[inline(never)]
    fn combine(
        &mut self,
        operator: Operator,
        a: &Value,
        b: &Value,
        at: u32,
    ) -> Result<Value, Fault> {
        let result = arithmetic(operator, a, b, at)?;
        match &result {
            Value::Text(text) => self.count(text.len() / BYTES_PER_STEP, at)?,
            Value::Array(items) => self.count(items.len(), at)?,
            _ => {}
        }
        Ok(result)
    }

    /// `&&` where `decisive` is false, `||` where it is true: a side that decides makes up for a
    /// side that is undefined or wrong, as CEL has it.
    fn short_circuit(&mut self, pair: &[Node; 2], decisive: bool) -> Result<Value, Fault> {
        let [a, b] = pair;
        let left = self.truth(a);
        if matches!(left, Ok(l) if l == decisive) {
            return Ok(Value::Bool(decisive));
        }
        match (left, self.truth(b)) {
            (_, Ok(right)) if right == decisive => Ok(Value::Bool(decisive)),
            (Err(fault), _) | (_, Err(fault)) => Err(fault),
            _ => Ok(Value::Bool(!decisive)),
        }
    }

    fn truth(&mut self, node: &Node) -> Result<bool, Fault> {
        match self.eval(node)? {
            Value::Bool(b) => Ok(b),
            other => Err(not_true_or_false(&other, node.at)),
        }
    }

    fn call(
        &mut self,
        function: functions::Function,
        arguments: &[Node],
        at: u32,
    ) -> Result<Value, Fault> {
        if let [only] = arguments
            && !function.skips_absent()
        {
            return function.call(&[self.eval(only)?], at);
        }
        if let [a, b] = arguments
            && !function.skips_absent()
        {
            return function.call(&[self.eval(a)?, self.eval(b)?], at);
        }
        let mut values = Vec::with_capacity(arguments.len());
        for argument in arguments {
            match self.eval(argument) {
                Ok(value) => values.push(value),
                Err(Fault::Undefined) if function.skips_absent() => continue,
                Err(fault) => return Err(fault),
            }
            if function == functions::Function::Coalesce {
                break;
            }
        }
        function.call(&values, at)
    }

    fn contained(&mut self, what: &Value, of: &Value, at: u32) -> Result<Value, Fault> {
        match (of, what) {
            (Value::Array(items), _) => {
                self.count(items.len(), at)?;
                Ok(Value::Bool(items.iter().any(|item| item == what)))
            }
            (Value::Object(_), Value::Text(name)) => Ok(Value::Bool(of.get(name).is_some())),
            _ => Err(Fault::wrong(
                at,
                format!(
                    "`in` looks into a list or an object, not into {}",
                    article(of)
                ),
                "write a list on its right",
            )),
        }
    }

    #[inline]
    fn count(&mut self, steps: usize, at: u32) -> Result<(), Fault> {
        self.steps = self.steps.saturating_add(steps as u32);
        if self.steps > MAX_STEPS {
            Err(too_many(at))
        } else {
            Ok(())
        }
    }

    fn walk(&mut self, each: &Each, at: u32) -> Result<Value, Fault> {
        let items: Arc<[Value]> = match self.eval(&each.range)? {
            Value::Array(items) => items,
            Value::Object(fields) => fields
                .iter()
                .map(|(name, _)| Value::Text(name.clone()))
                .collect(),
            other => {
                return Err(Fault::wrong(
                    at,
                    format!(
                        "only lists and objects have elements, not {}",
                        article(&other)
                    ),
                    "check what the member holds",
                ));
            }
        };
        let mut made = Vec::new();
        let mut found = 0usize;
        let mut fault = None;
        for item in items.iter() {
            if let Some(local) = self.locals.get_mut(each.local) {
                *local = item.clone();
            }
            let taken = match &each.test {
                Some(test) => self.truth(test),
                None => Ok(true),
            };
            match (each.walk, taken) {
                (Walk::All, Ok(false)) => return Ok(Value::Bool(false)),
                (Walk::Exists, Ok(true)) => return Ok(Value::Bool(true)),
                // As with && and ||, a later element may still decide.
                (Walk::All | Walk::Exists, Err(f)) => fault = fault.or(Some(f)),
                (_, Err(f)) => return Err(f),
                (Walk::ExistsOne, Ok(true)) => found += 1,
                (Walk::Filter, Ok(true)) => made.push(item.clone()),
                (Walk::Map, Ok(true)) => {
                    if let Some(make) = &each.make {
                        made.push(self.eval(make)?);
                    }
                }
                _ => {}
            }
        }
        match (each.walk, fault) {
            (_, Some(fault)) => Err(fault),
            (Walk::All, None) => Ok(Value::Bool(true)),
            (Walk::Exists, None) => Ok(Value::Bool(false)),
            (Walk::ExistsOne, None) => Ok(Value::Bool(found == 1)),
            (Walk::Map | Walk::Filter, None) => Ok(Value::Array(made.into())),
        }
    }
}

#[cold]
fn too_many(at: u32) -> Fault {
    Fault::wrong(
        at,
        format!("more than {MAX_STEPS} steps"),
        "walk over fewer elements",
    )
}
