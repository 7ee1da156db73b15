//! From CEL text to the tree that runs: names, functions and tables are looked up here, once.

use super::{
    Error, MAX_DEPTH, MAX_LITERAL, Names, Program, Table, Uses,
    fault::{self, Fault},
    functions::{FUNCTIONS, Function, MAX_ARGUMENTS, SPECIAL},
    names::Numbers,
    node::{Each, Kind, Node, Operator, Pair, Question, Relation, Walk},
    numbers::{as_doubles, calculates, is_json},
    operations::malformed_table,
    parse::{parse, too_deep},
};
use cel::{
    IdedExpr,
    common::ast::{CallExpr, EntryExpr, Expr, LiteralValue, SourceInfo, operators},
};
use gemelli_model::{Value, nearest};
use std::sync::Arc;

/// Compiles an expression.
pub(super) fn compile(source: &str, names: &Names) -> Result<Program, Error> {
    let (tree, places) = parse(source)?;
    let mut compiler = Compiler {
        source,
        names,
        places,
        members: Vec::new(),
        uses: Uses::default(),
        locals: Vec::new(),
        most_locals: 0,
    };
    let root = compiler.node(&tree, 0)?;
    Ok(Program {
        source: source.into(),
        members: compiler.members.into(),
        uses: compiler.uses,
        root: Arc::new(root),
        locals: compiler.most_locals,
    })
}

struct Compiler<'a> {
    source: &'a str,
    names: &'a Names,
    places: SourceInfo,
    members: Vec<Arc<str>>,
    uses: Uses,
    /// Variables of the walks around the part at hand, and whether their elements are JSON of a member.
    locals: Vec<(String, bool)>,
    most_locals: usize,
}

impl Compiler<'_> {
    fn node(&mut self, expr: &IdedExpr, depth: usize) -> Result<Node, Error> {
        let at = self
            .places
            .offset_for(expr.id)
            .map_or(0, |(start, _)| start);
        if depth > MAX_DEPTH {
            return Err(too_deep(self.source, at));
        }
        let depth = depth + 1;
        let kind = match &expr.expr {
            Expr::Literal(literal) => Kind::Constant(self.literal(literal, at)?),
            Expr::Ident(name) => self.name(name, at)?,
            Expr::Select(select) => {
                let of = self.node(&select.operand, depth)?;
                let json = is_json(&of);
                Kind::Field(Box::new(of), select.field.as_str().into(), json)
            }
            Expr::List(list) => {
                self.check_literal(list.elements.len(), at)?;
                let items = self.nodes(&list.elements, depth)?;
                constant_list(&items).map_or(Kind::List(items), Kind::Constant)
            }
            Expr::Map(map) => {
                self.check_literal(map.entries.len(), at)?;
                let mut fields = Vec::with_capacity(map.entries.len());
                for entry in &map.entries {
                    let EntryExpr::MapEntry(entry) = &entry.expr else {
                        return Err(self.unsupported("a message", at));
                    };
                    let Expr::Literal(LiteralValue::String(name)) = &entry.key.expr else {
                        return Err(self.error(
                            at,
                            "the names of an object are texts",
                            "put the name in quotes",
                        ));
                    };
                    fields.push((Arc::from(name.inner()), self.node(&entry.value, depth)?));
                }
                Kind::Object(fields)
            }
            Expr::Call(call) => self.call(call, at, depth)?,
            Expr::Struct(_) => return Err(self.unsupported("a message", at)),
            Expr::Comprehension(_) | Expr::Unspecified => {
                return Err(self.unsupported("this form", at));
            }
        };
        Ok(Node { kind, at })
    }

    fn nodes(&mut self, exprs: &[IdedExpr], depth: usize) -> Result<Vec<Node>, Error> {
        exprs.iter().map(|expr| self.node(expr, depth)).collect()
    }

    fn boxed(&mut self, expr: &IdedExpr, depth: usize) -> Result<Box<Node>, Error> {
        Ok(Box::new(self.node(expr, depth)?))
    }

    fn literal(&self, literal: &LiteralValue, at: u32) -> Result<Value, Error> {
        Ok(match literal {
            LiteralValue::Boolean(b) => Value::Bool(*b.inner()),
            LiteralValue::Double(x) => Value::Double(*x.inner()),
            LiteralValue::Int(n) => Value::Int(*n.inner()),
            LiteralValue::Null => Value::Null,
            LiteralValue::String(text) => Value::text(text.inner()),
            LiteralValue::UInt(n) => match i64::try_from(*n.inner()) {
                Ok(n) => Value::Int(n),
                Err(_) => {
                    return Err(self.error(
                        at,
                        "the whole number does not fit 63 bits",
                        "write a smaller one",
                    ));
                }
            },
            LiteralValue::Bytes(_) => return Err(self.unsupported("a bytes literal", at)),
        })
    }

    fn name(&mut self, name: &str, at: u32) -> Result<Kind, Error> {
        if let Some(index) = self.locals.iter().rposition(|(local, _)| local == name) {
            let json = self.locals.get(index).is_some_and(|(_, json)| *json);
            return Ok(Kind::Local(index, json));
        }
        if name == "now" {
            self.uses.now = true;
            return Ok(Kind::Now);
        }
        let numbers = self.numbers(name, at)?;
        Ok(Kind::Member(self.member(name), numbers))
    }

    fn numbers(&self, name: &str, at: u32) -> Result<Numbers, Error> {
        self.names
            .numbers(name)
            .ok_or_else(|| self.unknown("member", name, self.names.all().map(|n| &**n), at))
    }

    /// The member's index among those that the program reads.
    fn member(&mut self, name: &str) -> usize {
        self.members
            .iter()
            .position(|known| &**known == name)
            .unwrap_or_else(|| {
                self.members.push(name.into());
                self.members.len() - 1
            })
    }

    fn call(&mut self, call: &CallExpr, at: u32, depth: usize) -> Result<Kind, Error> {
        let name = call.func_name.as_str();
        match (&call.target, call.args.as_slice()) {
            (None, [a]) if name == operators::LOGICAL_NOT => Ok(Kind::Not(self.boxed(a, depth)?)),
            (None, [a]) if name == operators::NEGATE => self.negative(a, depth),
            (None, [a, b]) if !name.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                let pair = Box::new([self.node(a, depth)?, self.node(b, depth)?]);
                self.operator(name, pair, at)
            }
            (None, [a, b, c]) if name == operators::CONDITIONAL => Ok(Kind::Choice(Box::new([
                self.node(a, depth)?,
                self.node(b, depth)?,
                self.node(c, depth)?,
            ]))),
            (Some(target), arguments) if walk(name, arguments.len()).is_some() => {
                self.walk(name, target, arguments, at, depth)
            }
            (target, arguments) => {
                let all: Vec<&IdedExpr> = target.iter().map(|t| &**t).chain(arguments).collect();
                self.function(name, &all, at, depth)
            }
        }
    }

    fn negative(&mut self, of: &IdedExpr, depth: usize) -> Result<Kind, Error> {
        let node = self.node(of, depth)?;
        Ok(match node.kind {
            Kind::Constant(Value::Double(x)) => Kind::Constant(Value::Double(-x)),
            Kind::Constant(Value::Int(n)) if n != i64::MIN => Kind::Constant(Value::Int(-n)),
            _ => Kind::Negative(Box::new(node)),
        })
    }

    fn operator(&mut self, name: &str, pair: Pair, at: u32) -> Result<Kind, Error> {
        let pair = if calculates(name) {
            as_doubles(pair)
        } else {
            pair
        };
        Ok(match name {
            operators::ADD => Kind::Arithmetic(Operator::Add, pair),
            operators::SUBSTRACT => Kind::Arithmetic(Operator::Subtract, pair),
            operators::MULTIPLY => Kind::Arithmetic(Operator::Multiply, pair),
            operators::DIVIDE => Kind::Arithmetic(Operator::Divide, pair),
            operators::MODULO => Kind::Arithmetic(Operator::Remainder, pair),
            operators::LESS => Kind::Order(Relation::Less, pair),
            operators::LESS_EQUALS => Kind::Order(Relation::LessOrEqual, pair),
            operators::GREATER => Kind::Order(Relation::Greater, pair),
            operators::GREATER_EQUALS => Kind::Order(Relation::GreaterOrEqual, pair),
            operators::EQUALS => equal(*pair, at, false),
            operators::NOT_EQUALS => equal(*pair, at, true),
            operators::LOGICAL_AND => Kind::And(pair),
            operators::LOGICAL_OR => Kind::Or(pair),
            operators::IN => Kind::In(pair),
            operators::INDEX => {
                let [of, _] = &*pair;
                let json = is_json(of);
                Kind::Element(pair, json)
            }
            _ => return Err(self.unsupported(&format!("`{name}`"), at)),
        })
    }

    fn function(
        &mut self,
        name: &str,
        arguments: &[&IdedExpr],
        at: u32,
        depth: usize,
    ) -> Result<Kind, Error> {
        match (name, arguments) {
            ("has" | "defined", [of]) => Ok(Kind::Defined(self.boxed(of, depth)?)),
            (
                "prev" | "since",
                [
                    IdedExpr {
                        expr: Expr::Ident(member),
                        ..
                    },
                ],
            ) => self.past(name, member, at),
            ("prev" | "since", _) => Err(self.error(
                at,
                &format!("`{name}` takes the name of a member"),
                &format!("write for example {name}(temperature)"),
            )),
            ("interpolate", [x, table]) => self.look_up(Question::Interpolate, x, table, at, depth),
            ("classify", [x, table]) => self.look_up(Question::Classify, x, table, at, depth),
            _ => {
                let Some((function, least, most)) = Function::find(name) else {
                    return Err(self.unknown_function(name, arguments.len(), at));
                };
                if !(least..=most).contains(&arguments.len()) {
                    return Err(self.wrong_number(name, least, most, arguments.len(), at));
                }
                let arguments = arguments
                    .iter()
                    .map(|a| self.node(a, depth))
                    .collect::<Result<Vec<Node>, Error>>()?;
                let json = function.skips_absent() && arguments.iter().any(is_json);
                Ok(Kind::Call(function, arguments, json))
            }
        }
    }

    fn past(&mut self, function: &str, member: &str, at: u32) -> Result<Kind, Error> {
        let numbers = self.numbers(member, at)?;
        let index = self.member(member);
        let uses = if function == "prev" {
            &mut self.uses.prev
        } else {
            &mut self.uses.since
        };
        if !uses.iter().any(|known| &**known == member) {
            uses.push(member.into());
        }
        Ok(if function == "prev" {
            Kind::Previous(index, numbers)
        } else {
            Kind::Since(index)
        })
    }

    fn look_up(
        &mut self,
        question: Question,
        x: &IdedExpr,
        table: &IdedExpr,
        at: u32,
        depth: usize,
    ) -> Result<Kind, Error> {
        let x = self.node(x, depth)?;
        if let Expr::Ident(name) = &table.expr
            && let Some(table) = self.names.find_table(name)
        {
            return Ok(Kind::Lookup(question, Box::new(x), table.clone()));
        }
        let rows = self.node(table, depth)?;
        if let Kind::Constant(rows) = &rows.kind {
            let table = match rows {
                Value::Array(rows) => Table::from_list(rows),
                _ => None,
            };
            let table = table.ok_or_else(|| self.of(malformed_table(at)))?;
            return Ok(Kind::Lookup(question, Box::new(x), Arc::new(table)));
        }
        Ok(Kind::LookupIn(question, Box::new([x, rows])))
    }

    fn walk(
        &mut self,
        name: &str,
        range: &IdedExpr,
        arguments: &[IdedExpr],
        at: u32,
        depth: usize,
    ) -> Result<Kind, Error> {
        let (
            Some(walk),
            Some(IdedExpr {
                expr: Expr::Ident(variable),
                ..
            }),
        ) = (walk(name, arguments.len()), arguments.first())
        else {
            return Err(self.error(
                at,
                &format!("the first argument of `{name}` names the element"),
                &format!("write for example list.{name}(x, x > 1)"),
            ));
        };
        let range = self.node(range, depth)?;
        let json = is_json(&range);
        let local = self.locals.len();
        self.locals.push((variable.clone(), json));
        self.most_locals = self.most_locals.max(self.locals.len());
        let parts = self.nodes(arguments.get(1..).unwrap_or_default(), depth);
        self.locals.pop();
        let mut parts = parts?.into_iter();
        let (test, make) = match (walk, arguments.len()) {
            (Walk::Map, 2) => (None, parts.next()),
            (Walk::Map, _) => (parts.next(), parts.next()),
            _ => (parts.next(), None),
        };
        Ok(Kind::Each(Box::new(Each {
            walk,
            range,
            local,
            test,
            make,
        })))
    }

    fn check_literal(&self, elements: usize, at: u32) -> Result<(), Error> {
        if elements > MAX_LITERAL {
            return Err(self.error(
                at,
                &format!("a list or object in an expression has at most {MAX_LITERAL} elements"),
                "put a long table into the interface's tables",
            ));
        }
        Ok(())
    }

    fn unknown<'n>(
        &self,
        what: &str,
        name: &str,
        known: impl Iterator<Item = &'n str>,
        at: u32,
    ) -> Error {
        let remedy = match nearest::name(name, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None if what == "member" => {
                "declare it as a property or telemetry of the interface".to_owned()
            }
            None => "see docs/expressions.md for all functions".to_owned(),
        };
        self.error(at, &format!("there is no {what} `{name}`"), &remedy)
    }

    fn unknown_function(&self, name: &str, arguments: usize, at: u32) -> Error {
        if SPECIAL.contains(&name) {
            let wanted = if matches!(name, "classify" | "interpolate") {
                2
            } else {
                1
            };
            return self.wrong_number(name, wanted, wanted, arguments, at);
        }
        let known = FUNCTIONS.iter().map(|f| f.0).chain(SPECIAL).chain(WALKS);
        self.unknown("function", name, known, at)
    }

    fn wrong_number(&self, name: &str, least: usize, most: usize, got: usize, at: u32) -> Error {
        let wanted = match (least, most) {
            (1, MAX_ARGUMENTS) => format!("1 to {MAX_ARGUMENTS} arguments"),
            (1, 1) => "one argument".to_owned(),
            _ if least == most => format!("{least} arguments"),
            _ => format!("{least} to {most} arguments"),
        };
        self.error(
            at,
            &format!("`{name}` takes {wanted}, not {got}"),
            "see docs/expressions.md for its form",
        )
    }

    fn unsupported(&self, what: &str, at: u32) -> Error {
        self.error(
            at,
            &format!("{what} has no meaning here"),
            "see docs/expressions.md for the language",
        )
    }

    fn error(&self, at: u32, message: &str, remedy: &str) -> Error {
        let (line, column) = fault::position(self.source, at);
        Error {
            message: message.to_owned(),
            line,
            column,
            remedy: remedy.to_owned(),
        }
    }

    fn of(&self, fault: Fault) -> Error {
        fault
            .located(self.source)
            .unwrap_or_else(|| self.unsupported("this table", 0))
    }
}

/// Names of the calls that walk over the elements of their target.
const WALKS: [&str; 6] = ["all", "exists", "exists_one", "existsOne", "filter", "map"];

fn walk(name: &str, arguments: usize) -> Option<Walk> {
    Some(match (name, arguments) {
        ("all", 2) => Walk::All,
        ("exists", 2) => Walk::Exists,
        ("exists_one" | "existsOne", 2) => Walk::ExistsOne,
        ("filter", 2) => Walk::Filter,
        ("map", 2 | 3) => Walk::Map,
        _ => return None,
    })
}

/// `x == null` asks whether x is absent: no member is ever null otherwise.
fn equal([a, b]: [Node; 2], at: u32, negated: bool) -> Kind {
    let null = |node: &Node| matches!(node.kind, Kind::Constant(Value::Null));
    let other = match (null(&a), null(&b)) {
        (true, _) => b,
        (_, true) => a,
        _ => return Kind::Equal(Box::new([a, b]), negated),
    };
    let defined = Kind::Defined(Box::new(other));
    if negated {
        defined
    } else {
        Kind::Not(Box::new(Node { kind: defined, at }))
    }
}

fn constant_list(items: &[Node]) -> Option<Value> {
    let values: Option<Vec<Value>> = items
        .iter()
        .map(|item| match &item.kind {
            Kind::Constant(value) => Some(value.clone()),
            _ => None,
        })
        .collect();
    values.map(|values| Value::Array(values.into()))
}
