//! Answers of the brute-force evaluator, and whether other rows are the same answer.

use super::{
    Graph,
    read::{Column, E, Hop, Query, read},
};
use gemelli_model::Value;
use std::{cmp::Ordering, collections::BTreeMap};

/// A query's rows before LIMIT and OFFSET, in classes: without ORDER BY there is one, with it the rows
/// of a class have the same keys.
#[derive(Clone, Debug)]
pub struct Answer {
    classes: Vec<Vec<Value>>,
    limit: usize,
    offset: usize,
}

impl Answer {
    /// How many rows the answer has.
    pub fn len(&self) -> usize {
        let all: usize = self.classes.iter().map(Vec::len).sum();
        all.saturating_sub(self.offset).min(self.limit)
    }

    /// Whether it has no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether these rows are the answer: each class gives as many as LIMIT and OFFSET leave of it.
    pub fn check(&self, rows: &[Value]) -> Result<(), String> {
        if rows.len() != self.len() {
            return Err(format!("{} rows, {} expected", rows.len(), self.len()));
        }
        let end = self.offset.saturating_add(self.limit);
        let (mut begin, mut rest) = (0, rows);
        for class in &self.classes {
            let until = begin + class.len();
            let count = until.min(end).saturating_sub(begin.max(self.offset));
            let (here, behind) = rest.split_at(count);
            let mut left: Vec<&Value> = class.iter().collect();
            for row in here {
                let Some(at) = left.iter().position(|known| *known == row) else {
                    return Err(format!("unexpected row {row}, or in the wrong place"));
                };
                left.swap_remove(at);
            }
            (begin, rest) = (until, behind);
        }
        Ok(())
    }
}

#[derive(Clone, Default)]
struct Row {
    /// Objects by variable.
    bound: BTreeMap<String, Value>,
    /// Relationships by source and id.
    used: Vec<(String, String)>,
}

/// Answers a query, which has to be right.
pub fn answer(graph: &Graph, text: &str) -> Answer {
    let query = read(text);
    let asker = Asker {
        graph,
        twins: graph
            .twins
            .keys()
            .map(|id| (id.as_str(), graph.twin(id).unwrap()))
            .collect(),
        query: &query,
    };
    let mut rows = asker.rows();
    if let Some(filter) = &query.filter {
        rows.retain(|row| asker.eval(filter, row) == Some(Value::Bool(true)));
    }
    let aggregates = query.columns.iter().any(|c| !c.function.is_empty());
    let mut keyed: Vec<(Vec<Option<Value>>, Value)> = Vec::new();
    if aggregates || !query.group.is_empty() {
        for group in asker.groups(&rows) {
            let keys = query.order.iter().map(|(c, _)| asker.computed(c, &group));
            keyed.push((keys.collect(), asker.shown(|c| asker.computed(c, &group))));
        }
    } else {
        for row in &rows {
            let keys = query
                .order
                .iter()
                .map(|(c, _)| asker.path(asker.column_path(c), row));
            let shown = match query.columns.is_empty() {
                true => asker.whole(row),
                false => asker.shown(|c| asker.path(&c.path, row)),
            };
            keyed.push((keys.collect(), shown));
        }
    }
    let by_keys = |a: &[Option<Value>], b: &[Option<Value>]| {
        let mut each = a
            .iter()
            .zip(b)
            .zip(&query.order)
            .map(|((a, b), (_, down))| match down {
                true => sort(b, a),
                false => sort(a, b),
            });
        each.find(|o| *o != Ordering::Equal)
            .unwrap_or(Ordering::Equal)
    };
    keyed.sort_by(|(a, _), (b, _)| by_keys(a, b));
    let same = |a: &(Vec<Option<Value>>, Value), b: &(Vec<Option<Value>>, Value)| {
        by_keys(&a.0, &b.0) == Ordering::Equal
    };
    let classes = keyed
        .chunk_by(same)
        .map(|class| class.iter().map(|(_, row)| row.clone()).collect());
    Answer {
        classes: classes.collect(),
        limit: query.limit.unwrap_or(usize::MAX),
        offset: query.offset,
    }
}

struct Asker<'a> {
    graph: &'a Graph,
    twins: BTreeMap<&'a str, Value>,
    query: &'a Query,
}

impl Asker<'_> {
    /// Every row of the pattern.
    fn rows(&self) -> Vec<Row> {
        let one = |name: &str, value: Value| Row {
            bound: BTreeMap::from([(name.to_owned(), value)]),
            used: Vec::new(),
        };
        if self.query.relationships {
            let edges = self.graph.edges.keys();
            return edges
                .map(|(source, id)| one(&self.query.alias, self.graph.edge(source, id).unwrap()))
                .collect();
        }
        let mut rows: Vec<Row> = self
            .twins
            .values()
            .map(|twin| one(&self.query.first, twin.clone()))
            .collect();
        for hop in &self.query.hops {
            rows = rows.iter().flat_map(|row| self.paths(row, hop)).collect();
        }
        rows
    }

    /// Every way of one relationship condition.
    fn paths(&self, row: &Row, hop: &Hop) -> Vec<Row> {
        let begin = text(&row.bound[&hop.from], "$dtId");
        let mut ways = vec![(begin, row.clone())];
        let mut found = Vec::new();
        for length in 1..=hop.high {
            let mut longer = Vec::new();
            for (at, row) in &ways {
                for ((source, id), edge) in &self.graph.edges {
                    let key = (source.clone(), id.clone());
                    let along = hop.direction >= 0 && source == at;
                    let against = hop.direction <= 0 && edge.target == *at;
                    let named = hop.names.is_empty() || hop.names.contains(&edge.name);
                    if !named
                        || !(along || against)
                        || self.query.matched && row.used.contains(&key)
                    {
                        continue;
                    }
                    let far = if along { &edge.target } else { source };
                    let mut next = row.clone();
                    next.used.push(key);
                    if !hop.edge.is_empty() {
                        let edge = self.graph.edge(source, id).unwrap();
                        next.bound.insert(hop.edge.clone(), edge);
                    }
                    longer.push((far.clone(), next));
                }
            }
            ways = longer;
            if length < hop.low {
                continue;
            }
            for (at, way) in &ways {
                let Some(twin) = self.twins.get(at.as_str()) else {
                    continue;
                };
                let mut whole = way.clone();
                match whole.bound.get(&hop.to) {
                    Some(known) if text(known, "$dtId") != *at => continue,
                    _ => whole.bound.insert(hop.to.clone(), twin.clone()),
                };
                found.push(whole);
            }
        }
        found
    }

    /// The value of a path: of a variable, or of the only one.
    fn path(&self, path: &[String], row: &Row) -> Option<Value> {
        let (value, rest) = match row.bound.get(&path[0]) {
            Some(value) => (value, &path[1..]),
            None => (row.bound.get(&self.query.alias)?, path),
        };
        let mut value = value.clone();
        for name in rest {
            value = value.get(name)?.clone();
        }
        Some(value)
    }

    fn eval(&self, e: &E, row: &Row) -> Option<Value> {
        let truth = |e: &E| self.eval(e, row).and_then(|v| v.as_bool());
        let value = match e {
            E::Not(e) => !truth(e)?,
            E::Both(a, b) => match (truth(a), truth(b)) {
                (Some(false), _) | (_, Some(false)) => false,
                (a, b) => a? && b?,
            },
            E::Either(a, b) => match (truth(a), truth(b)) {
                (Some(true), _) | (_, Some(true)) => true,
                (a, b) => a? || b?,
            },
            E::Compare(op, a, b) => compare(op, &self.eval(a, row)?, &self.eval(b, row)?)?,
            E::In(item, values) => {
                let item = self.eval(item, row)?;
                let all: Vec<_> = values.iter().map(|v| compare("=", &item, v)).collect();
                if all.contains(&Some(true)) {
                    true
                } else if all.contains(&None) {
                    return None;
                } else {
                    false
                }
            }
            E::Value(value) => return Some(value.clone()),
            E::Path(path) => return self.path(path, row),
            E::Call(name, arguments) => self.call(name, arguments, row)?,
        };
        Some(Value::Bool(value))
    }

    fn call(&self, name: &str, arguments: &[E], row: &Row) -> Option<bool> {
        if name == "IS_OF_MODEL" {
            return Some(self.of_model(arguments, row));
        }
        let values: Vec<Option<Value>> = arguments.iter().map(|a| self.eval(a, row)).collect();
        let kind = values[0].as_ref().map_or("absent", Value::kind);
        let number = kind == "integer" || kind == "number";
        Some(match name {
            "IS_DEFINED" => kind != "absent",
            "IS_BOOL" => kind == "boolean",
            "IS_NULL" => kind == "null",
            "IS_NUMBER" => number,
            "IS_OBJECT" => kind == "object",
            "IS_STRING" => kind == "string",
            "IS_PRIMITIVE" => number || ["boolean", "null", "string"].contains(&kind),
            "ARRAY_CONTAINS" => match (values[0].as_ref()?, values[1].as_ref()?) {
                (Value::Array(items), wanted) => {
                    items.iter().any(|i| compare("=", i, wanted) == Some(true))
                }
                _ => return None,
            },
            _ => {
                let (a, b) = (values[0].as_ref()?.as_str()?, values[1].as_ref()?.as_str()?);
                match name {
                    "STARTSWITH" => a.starts_with(b),
                    "ENDSWITH" => a.ends_with(b),
                    "CONTAINS" => a.contains(b),
                    other => panic!("no function {other}"),
                }
            }
        })
    }

    fn of_model(&self, arguments: &[E], row: &Row) -> bool {
        let (mut variable, mut model, mut exact) = (self.query.alias.clone(), String::new(), false);
        for argument in arguments {
            match argument {
                E::Path(path) if path[0].eq_ignore_ascii_case("exact") && !model.is_empty() => {
                    exact = true
                }
                E::Path(path) => variable = path[0].clone(),
                E::Value(value) => model = value.as_str().unwrap().to_owned(),
                other => panic!("IS_OF_MODEL of {other:?}"),
            }
        }
        let own = row.bound[&variable].get("$metadata").unwrap();
        self.graph.belongs(&text(own, "$model"), &model, exact)
    }

    fn groups(&self, rows: &[Row]) -> Vec<Vec<Row>> {
        if self.query.group.is_empty() {
            return vec![rows.to_vec()];
        }
        let keys = |row: &Row| {
            self.query
                .group
                .iter()
                .map(|p| self.path(p, row))
                .collect::<Vec<_>>()
        };
        let mut groups: Vec<(Vec<Option<Value>>, Vec<Row>)> = Vec::new();
        for row in rows {
            let own = keys(row);
            let same = |known: &[Option<Value>]| {
                known
                    .iter()
                    .zip(&own)
                    .all(|(a, b)| sort(a, b) == Ordering::Equal)
            };
            match groups.iter_mut().find(|(known, _)| same(known)) {
                Some((_, members)) => members.push(row.clone()),
                None => groups.push((own, vec![row.clone()])),
            }
        }
        groups.into_iter().map(|(_, rows)| rows).collect()
    }

    /// A column over a group.
    fn computed(&self, column: &Column, group: &[Row]) -> Option<Value> {
        let mut column = column;
        if column.function.is_empty() && column.path.len() == 1 {
            let named = |c: &&Column| name(c) == column.path[0];
            column = self.query.columns.iter().find(named).unwrap_or(column);
        }
        if column.function.is_empty() {
            return self.path(&column.path, group.first()?);
        }
        if column.path.is_empty() {
            return Some(Value::Int(group.len() as i64));
        }
        let values: Vec<Value> = group
            .iter()
            .filter_map(|row| self.path(&column.path, row))
            .collect();
        let numbers: Vec<&Value> = values.iter().filter(|v| v.as_f64().is_some()).collect();
        let sum: f64 = numbers.iter().filter_map(|v| v.as_f64()).sum();
        let whole = numbers.iter().all(|v| v.kind() == "integer");
        let comparable = values.iter().filter(|v| (1..=3).contains(&rank(v)));
        match column.function.as_str() {
            "COUNT" => Some(Value::Int(values.len() as i64)),
            _ if numbers.is_empty() && ["SUM", "AVG"].contains(&column.function.as_str()) => None,
            "SUM" if whole => Some(Value::Int(sum as i64)),
            "SUM" => Some(Value::Double(sum)),
            "AVG" => Some(Value::Double(sum / numbers.len() as f64)),
            "MIN" => comparable.min_by(|a, b| order(a, b)).cloned(),
            "MAX" => comparable.max_by(|a, b| order(a, b)).cloned(),
            other => panic!("no aggregate {other}"),
        }
    }

    /// What an ORDER BY without groups means: a column's name, or a path.
    fn column_path<'c>(&'c self, column: &'c Column) -> &'c [String] {
        let named = |c: &&Column| column.path.len() == 1 && name(c) == column.path[0];
        let meant = self.query.columns.iter().find(named).unwrap_or(column);
        &meant.path
    }

    fn shown(&self, value: impl Fn(&Column) -> Option<Value>) -> Value {
        let fields = self.query.columns.iter();
        let fields = fields.filter_map(|c| Some((name(c).into(), value(c)?)));
        Value::Object(fields.collect())
    }

    fn whole(&self, row: &Row) -> Value {
        if !self.query.joined && !self.query.matched {
            return row.bound[&self.query.alias].clone();
        }
        let named = row.bound.iter().filter(|(name, _)| !name.starts_with('('));
        Value::Object(named.map(|(n, v)| (n.as_str().into(), v.clone())).collect())
    }
}

fn name(column: &Column) -> String {
    let last = || column.path.last().cloned().unwrap_or_default();
    let own = if column.function.is_empty() {
        last()
    } else {
        column.function.clone()
    };
    column.alias.clone().unwrap_or(own)
}

fn text(value: &Value, member: &str) -> String {
    value.get(member).unwrap().as_str().unwrap().to_owned()
}

fn rank(value: &Value) -> usize {
    let kinds = ["null", "boolean", "integer", "string", "array", "object"];
    let kind = if value.kind() == "number" {
        "integer"
    } else {
        value.kind()
    };
    kinds.iter().position(|k| *k == kind).unwrap()
}

/// Of two values of one kind.
fn compare(op: &str, a: &Value, b: &Value) -> Option<bool> {
    if rank(a) != rank(b) {
        return None;
    }
    if op == "=" || op == "!=" || op == "<>" {
        return Some((a == b) == (op == "="));
    }
    if !(1..=3).contains(&rank(a)) {
        return None;
    }
    let order = order(a, b);
    Some(match op {
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        ">=" => order.is_ge(),
        other => panic!("no operator {other}"),
    })
}

/// Of all values, for ORDER BY: numbers here are small, so doubles hold them.
fn order(a: &Value, b: &Value) -> Ordering {
    rank(a).cmp(&rank(b)).then_with(|| match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => {
            let unequal = a
                .iter()
                .zip(b.iter())
                .map(|(a, b)| order(a, b))
                .find(|o| o.is_ne());
            unequal.unwrap_or(a.len().cmp(&b.len()))
        }
        (Value::Object(a), Value::Object(b)) => {
            let (a, b): (BTreeMap<_, _>, BTreeMap<_, _>) =
                (a.iter().cloned().collect(), b.iter().cloned().collect());
            let each = a
                .iter()
                .zip(&b)
                .map(|((n, a), (m, b))| n.cmp(m).then_with(|| order(a, b)));
            each.into_iter()
                .find(|o| o.is_ne())
                .unwrap_or(a.len().cmp(&b.len()))
        }
        _ => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            _ => Ordering::Equal,
        },
    })
}

/// What is absent comes first.
fn sort(a: &Option<Value>, b: &Option<Value>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => order(a, b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}
