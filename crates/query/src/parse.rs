//! From tokens to a query whose names are bound.
//!
//! By hand, with one token of look-ahead. Recursion is bounded by [`MAX_DEPTH`]: chains of AND and OR
//! are loops. SELECT comes before the variables that it names, so its columns are bound last.

mod expression;
mod pattern;

use crate::{
    ast::{Aggregate, Ast, Column, Op, OrderKey, Path, Pattern, Root, Select, Var, What},
    error::{Error, Kind, Position},
    lexer::{Token, tokens},
    limits::{MAX_COLUMNS, MAX_DEPTH},
};
use gemelli_model::nearest;
use std::sync::Arc;

/// Words that are no names unless they stand in double square brackets or behind a dot.
const RESERVED: &[&str] = &[
    "ALL", "AND", "AS", "ASC", "AVG", "BY", "COUNT", "DESC", "FALSE", "FROM", "GROUP", "IN", "MAX",
    "MIN", "NOT", "NULL", "OR", "ORDER", "SELECT", "SUM", "TOP", "TRUE", "WHERE",
];

/// What may follow FROM and its collection.
const CLAUSES: &[&str] = &[
    "JOIN", "MATCH", "WHERE", "GROUP", "ORDER", "LIMIT", "OFFSET",
];

const AGGREGATES: &[(&str, Op)] = &[
    ("COUNT", Op::Count),
    ("SUM", Op::Sum),
    ("AVG", Op::Avg),
    ("MIN", Op::Min),
    ("MAX", Op::Max),
];

/// A name as it is written, before it is bound: parts with the byte of the first.
#[derive(Clone, Debug)]
struct Raw {
    parts: Vec<Arc<str>>,
    at: usize,
}

enum RawColumn {
    Path(Raw, Option<Arc<str>>),
    Aggregate(Op, Option<Raw>, Option<Arc<str>>, usize),
}

pub(crate) fn parse(text: &str) -> Result<Ast, Error> {
    let tokens = tokens(text)?;
    Parser {
        text,
        tokens,
        next: 0,
        depth: 0,
        pattern: Pattern::default(),
        models: Vec::new(),
    }
    .query()
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<(Token, usize)>,
    next: usize,
    depth: usize,
    pattern: Pattern,
    models: Vec<crate::ast::Model>,
}

impl Parser<'_> {
    fn query(mut self) -> Result<Ast, Error> {
        let explain = self.take_word("EXPLAIN");
        self.expect_word("SELECT")?;
        let top = self.top()?;
        let columns = self.raw_columns(top.is_some())?;
        self.expect_word("FROM")?;
        self.from()?;
        let filter = self.filter()?;
        let group = self.group()?;
        let select_at = self.at();
        let (select, mut aggregates) = self.select(columns, &group)?;
        let order = self.order(&select, &group, &mut aggregates)?;
        let (limit, offset) = self.slice(top)?;
        if *self.peek() != Token::End {
            return Err(self.no_clause());
        }
        if select == Select::Star && (!group.is_empty() || !aggregates.is_empty()) {
            return Err(self.fault(
                select_at,
                "SELECT * shows twins, and GROUP BY leaves none".into(),
                "select the keys of GROUP BY and what is computed over each group",
            ));
        }
        Ok(Ast {
            text: self.text.into(),
            explain,
            limit,
            offset,
            select,
            pattern: self.pattern,
            filter,
            group,
            order,
            aggregates,
            models: self.models,
        })
    }

    /// Something stands where a clause should: a misspelt one may have passed for a name.
    fn no_clause(&self) -> Error {
        let mut error = self.unexpected(
            "a clause (JOIN, MATCH, WHERE, GROUP BY, ORDER BY, LIMIT, OFFSET) or the end",
        );
        let before = self.next.checked_sub(1).and_then(|n| self.tokens.get(n));
        for token in [Some(self.peek()), before.map(|(t, _)| t)] {
            if let Some(Token::Word(word)) = token
                && let Some(near) = nearest::name(word, CLAUSES.iter().copied())
            {
                error.remedy = format!("did you mean {near}?");
            }
        }
        error
    }

    /// TOP(n), with or without brackets.
    fn top(&mut self) -> Result<Option<u64>, Error> {
        if !self.take_word("TOP") {
            return Ok(None);
        }
        let brackets = self.take_sign("(");
        let n = self.count("TOP")?;
        if brackets {
            self.expect_sign(")")?;
        }
        Ok(Some(n))
    }

    fn count(&mut self, what: &str) -> Result<u64, Error> {
        match self.peek() {
            Token::Number(digits) => match digits.parse() {
                Ok(n) => {
                    self.next += 1;
                    Ok(n)
                }
                Err(_) => Err(self.unexpected(&format!("a whole number behind {what}"))),
            },
            _ => Err(self.unexpected(&format!("a whole number behind {what}"))),
        }
    }

    /// `*`, columns, or with TOP nothing at all, which is `*` too.
    fn raw_columns(&mut self, top: bool) -> Result<Option<Vec<RawColumn>>, Error> {
        if self.take_sign("*") || (top && self.is_word("FROM")) {
            return Ok(None);
        }
        let mut columns = Vec::new();
        loop {
            let at = self.at();
            let column = match self.aggregate()? {
                Some((op, of)) => RawColumn::Aggregate(op, of, self.alias()?, at),
                None => {
                    let raw = self.raw("a column (*, a variable, a property, COUNT())")?;
                    RawColumn::Path(raw, self.alias()?)
                }
            };
            columns.push(column);
            self.check_count(columns.len(), "columns", at)?;
            if !self.take_sign(",") {
                return Ok(Some(columns));
            }
        }
    }

    fn check_count(&self, count: usize, what: &str, at: usize) -> Result<(), Error> {
        if count <= MAX_COLUMNS {
            return Ok(());
        }
        let mut error = self.fault(
            at,
            format!("there are more than {MAX_COLUMNS} {what}"),
            "name fewer (limit MAX_COLUMNS)",
        );
        error.kind = Kind::Limit;
        Err(error)
    }

    fn alias(&mut self) -> Result<Option<Arc<str>>, Error> {
        if !self.take_word("AS") {
            return Ok(None);
        }
        self.name("a name behind AS").map(Some)
    }

    /// An aggregate's name and bracket, if they stand here, with what it is of.
    fn aggregate(&mut self) -> Result<Option<(Op, Option<Raw>)>, Error> {
        let Token::Word(word) = self.peek() else {
            return Ok(None);
        };
        let known = AGGREGATES
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(word));
        let bracket = self.tokens.get(self.next + 1).map(|(t, _)| t) == Some(&Token::Sign("("));
        let (name, op) = match known {
            Some(known) if bracket => *known,
            _ if bracket => {
                let names = AGGREGATES.iter().map(|(n, _)| *n);
                let remedy = match nearest::name(word, names) {
                    Some(near) => format!("did you mean {near}?"),
                    None => "there are COUNT, SUM, AVG, MIN and MAX".into(),
                };
                let message = format!("there is no function {} over rows", self.peek().shown());
                return Err(self.fault(self.at(), message, &remedy));
            }
            _ => return Ok(None),
        };
        self.next += 2;
        if op == Op::Count && (self.take_sign("*") || *self.peek() == Token::Sign(")")) {
            self.expect_sign(")")?;
            return Ok(Some((op, None)));
        }
        let raw = self.raw(&format!("what {name} is of, as in {name}(T.property)"))?;
        self.expect_sign(")")?;
        Ok(Some((op, Some(raw))))
    }

    fn filter(&mut self) -> Result<Vec<crate::ast::Expr>, Error> {
        if !self.take_word("WHERE") {
            return Ok(Vec::new());
        }
        Ok(match self.condition()? {
            crate::ast::Expr::And(all) => all,
            one => vec![one],
        })
    }

    fn group(&mut self) -> Result<Vec<Path>, Error> {
        let mut keys = Vec::new();
        if !self.take_word("GROUP") {
            return Ok(keys);
        }
        self.expect_word("BY")?;
        loop {
            let at = self.at();
            let raw = self.raw("a property to group by")?;
            keys.push(self.value_of(&raw)?);
            self.check_count(keys.len(), "keys of GROUP BY", at)?;
            if !self.take_sign(",") {
                return Ok(keys);
            }
        }
    }

    /// Binds the columns.
    fn select(
        &mut self,
        columns: Option<Vec<RawColumn>>,
        group: &[Path],
    ) -> Result<(Select, Vec<Aggregate>), Error> {
        let mut aggregates = Vec::new();
        let Some(columns) = columns else {
            if self.pattern.named.is_empty() && self.pattern.source == crate::ast::Source::Match {
                return Err(self.fault(
                    0,
                    "SELECT * shows named variables, and MATCH names none".into(),
                    "name a twin, as in MATCH (a)-[]->()",
                ));
            }
            return Ok((Select::Star, aggregates));
        };
        let grouped = !group.is_empty()
            || columns
                .iter()
                .any(|c| matches!(c, RawColumn::Aggregate(..)));
        let mut bound: Vec<Column> = Vec::new();
        for column in columns {
            let (key, what, at): (Arc<str>, What, usize) = match column {
                RawColumn::Aggregate(op, of, alias, at) => {
                    let place = self.bind_aggregate(op, of.as_ref(), &mut aggregates)?;
                    let name = AGGREGATES.iter().find(|(_, o)| *o == op);
                    let name = name.map_or("", |(n, _)| *n);
                    (
                        alias.unwrap_or_else(|| name.into()),
                        What::Aggregate(place),
                        at,
                    )
                }
                RawColumn::Path(raw, alias) => {
                    let path = self.bind(&raw)?;
                    if grouped && !group.contains(&path) {
                        let shown = raw.parts.join(".");
                        let message = format!("{shown} has many values in a group");
                        let remedy = format!("put {shown} behind GROUP BY, or take MIN({shown})");
                        return Err(self.fault(raw.at, message, &remedy));
                    }
                    let last = raw.parts.last().cloned().unwrap_or_default();
                    (alias.unwrap_or(last), What::Path(path), raw.at)
                }
            };
            if let Some(same) = bound.iter().find(|c| c.key == key) {
                if same.what == what {
                    continue;
                }
                let message = format!("two columns are called {key}");
                return Err(self.fault(at, message, "give one of them another name with AS"));
            }
            bound.push(Column { key, what });
        }
        Ok((Select::Columns(bound), aggregates))
    }

    fn bind_aggregate(
        &self,
        op: Op,
        of: Option<&Raw>,
        aggregates: &mut Vec<Aggregate>,
    ) -> Result<usize, Error> {
        let of = match of {
            None => None,
            // Every row has its variables.
            Some(raw) if op == Op::Count => {
                let path = self.bind(raw)?;
                (path.root != Root::Whole).then_some(path)
            }
            Some(raw) => Some(self.value_of(raw)?),
        };
        let wanted = Aggregate { op, of };
        if let Some(known) = aggregates.iter().position(|a| *a == wanted) {
            return Ok(known);
        }
        aggregates.push(wanted);
        Ok(aggregates.len() - 1)
    }

    fn order(
        &mut self,
        select: &Select,
        group: &[Path],
        aggregates: &mut Vec<Aggregate>,
    ) -> Result<Vec<OrderKey>, Error> {
        let mut keys = Vec::new();
        if !self.take_word("ORDER") {
            return Ok(keys);
        }
        self.expect_word("BY")?;
        let grouped = !group.is_empty() || !aggregates.is_empty();
        loop {
            let what = self.order_key(select, group, grouped, aggregates)?;
            let descending = self.take_word("DESC");
            if !descending {
                self.take_word("ASC");
            }
            keys.push(OrderKey { what, descending });
            self.check_count(keys.len(), "keys of ORDER BY", self.at())?;
            if !self.take_sign(",") {
                return Ok(keys);
            }
        }
    }

    /// A column by its name, an aggregate, or a property.
    fn order_key(
        &mut self,
        select: &Select,
        group: &[Path],
        grouped: bool,
        aggregates: &mut Vec<Aggregate>,
    ) -> Result<What, Error> {
        let at = self.at();
        let columns = match select {
            Select::Star => &[],
            Select::Columns(columns) => columns.as_slice(),
        };
        if let Some((op, of)) = self.aggregate()? {
            if !grouped {
                let message = "without GROUP BY there is nothing to order by this".into();
                return Err(self.fault(at, message, "order by a property, or add GROUP BY"));
            }
            let place = self.bind_aggregate(op, of.as_ref(), aggregates)?;
            return Ok(What::Aggregate(place));
        }
        if let Token::Word(name) | Token::Escaped(name) = self.peek() {
            let dotted = self.tokens.get(self.next + 1).map(|(t, _)| t) == Some(&Token::Sign("."));
            let column = columns.iter().find(|c| *c.key == **name && !dotted);
            if let Some(Column { what, .. }) = column
                && !matches!(what, What::Path(path) if path.root == Root::Whole)
            {
                self.next += 1;
                return Ok(what.clone());
            }
        }
        let raw = self.raw("a column or property to order by")?;
        let path = self.value_of(&raw)?;
        if grouped && !group.contains(&path) {
            let shown = raw.parts.join(".");
            let message = format!("{shown} has many values in a group");
            return Err(self.fault(at, message, "order by a key of GROUP BY or by a column"));
        }
        Ok(What::Path(path))
    }

    /// LIMIT and OFFSET in any order; TOP is a LIMIT.
    fn slice(&mut self, top: Option<u64>) -> Result<(Option<u64>, u64), Error> {
        let (mut limit, mut offset) = (top, None);
        loop {
            let at = self.at();
            if self.take_word("LIMIT") {
                if limit.is_some() {
                    let message = "TOP and LIMIT say the same, once is enough".into();
                    return Err(self.fault(at, message, "keep one of them"));
                }
                limit = Some(self.count("LIMIT")?);
            } else if self.take_word("OFFSET") {
                if offset.is_some() {
                    let message = "OFFSET is there twice".into();
                    return Err(self.fault(at, message, "keep one of them"));
                }
                offset = Some(self.count("OFFSET")?);
            } else {
                return Ok((limit, offset.unwrap_or_default()));
            }
        }
    }
}

/// Reading tokens.
impl Parser<'_> {
    fn peek(&self) -> &Token {
        self.tokens.get(self.next).map_or(&Token::End, |(t, _)| t)
    }

    fn at(&self) -> usize {
        self.tokens
            .get(self.next)
            .map_or(self.text.len(), |(_, at)| *at)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Word(w) if w.eq_ignore_ascii_case(word))
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.next += usize::from(found);
        found
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Token::Sign(s) if *s == sign);
        self.next += usize::from(found);
        found
    }

    fn expect_word(&mut self, word: &str) -> Result<(), Error> {
        if self.take_word(word) {
            return Ok(());
        }
        let mut error = self.unexpected(word);
        if let Token::Word(written) = self.peek()
            && nearest::name(written, [word]).is_some()
        {
            error.remedy = format!("did you mean {word}?");
        }
        Err(error)
    }

    fn expect_sign(&mut self, sign: &str) -> Result<(), Error> {
        if self.take_sign(sign) {
            return Ok(());
        }
        Err(self.unexpected(&format!("`{sign}`")))
    }

    /// A name that may be a variable's or the first of a path.
    fn name(&mut self, expected: &str) -> Result<Arc<str>, Error> {
        match self.peek() {
            Token::Word(word) if RESERVED.iter().any(|r| r.eq_ignore_ascii_case(word)) => {
                let mut error = self.unexpected(expected);
                error.remedy = format!("a name that is also a keyword is written [[{word}]]");
                Err(error)
            }
            Token::Word(word) | Token::Escaped(word) => {
                let name = word.as_str().into();
                self.next += 1;
                Ok(name)
            }
            _ => Err(self.unexpected(expected)),
        }
    }

    /// A dotted name; behind a dot any word is a name.
    fn raw(&mut self, expected: &str) -> Result<Raw, Error> {
        let at = self.at();
        let mut parts = vec![self.name(expected)?];
        while self.take_sign(".") {
            match self.peek() {
                Token::Word(word) | Token::Escaped(word) => {
                    parts.push(word.as_str().into());
                    self.next += 1;
                }
                _ => return Err(self.unexpected("a name behind the dot")),
            }
        }
        Ok(Raw { parts, at })
    }

    fn deeper(&mut self) -> Result<(), Error> {
        self.depth += 1;
        if self.depth <= MAX_DEPTH {
            return Ok(());
        }
        let mut error = self.fault(
            self.at(),
            format!("brackets, NOT and functions are nested deeper than {MAX_DEPTH}"),
            "write the condition flatter (limit MAX_DEPTH)",
        );
        error.kind = Kind::Limit;
        Err(error)
    }

    fn unexpected(&self, expected: &str) -> Error {
        let message = format!("expected {expected}, found {}", self.peek().shown());
        self.fault(self.at(), message, "")
    }

    fn fault(&self, at: usize, message: String, remedy: &str) -> Error {
        let mut error = Error::new(Kind::Malformed, message, remedy);
        error.position = Some(Position::of(self.text, at));
        error
    }
}

/// Binding names.
impl Parser<'_> {
    fn variable(&self, name: &str) -> Option<Var> {
        let is = |known: &Option<Arc<str>>| known.as_deref() == Some(name);
        let node = self.pattern.nodes.iter().position(is).map(Var::Node);
        node.or_else(|| self.pattern.edges.iter().position(is).map(Var::Edge))
    }

    fn variable_names(&self) -> Vec<&str> {
        let all = self.pattern.nodes.iter().chain(&self.pattern.edges);
        all.flatten().map(|name| &**name).collect()
    }

    /// What a name without a variable in front is of.
    fn only(&self) -> Option<Var> {
        match self.pattern.source {
            crate::ast::Source::Twins => Some(Var::Node(0)),
            crate::ast::Source::Relationships => Some(Var::Edge(0)),
            _ => None,
        }
    }

    fn bind(&self, raw: &Raw) -> Result<Path, Error> {
        let mut parts = raw.parts.iter().cloned();
        let first = parts.next().unwrap_or_default();
        let (var, head) = match (self.variable(&first), self.only()) {
            (Some(var), _) => (var, parts.next()),
            (None, Some(var)) => (var, Some(first)),
            (None, None) => {
                let known = self.variable_names();
                let remedy = match nearest::name(&first, known.iter().copied()) {
                    Some(near) => format!("did you mean {near}?"),
                    None => format!("there are {}", known.join(", ")),
                };
                let message = format!("{first} is no variable of this query");
                return Err(self.fault(raw.at, message, &remedy));
            }
        };
        let Some(head) = head else {
            let root = Root::Whole;
            return Ok(Path {
                var,
                root,
                rest: Vec::new(),
            });
        };
        let mut rest: Vec<Arc<str>> = parts.collect();
        let root = match (var, &*head) {
            (Var::Node(_), "$dtId") | (Var::Edge(_), "$relationshipId") => Root::Id,
            (_, "$etag") => Root::Etag,
            (Var::Edge(_), "$sourceId") => Root::SourceId,
            (Var::Edge(_), "$targetId") => Root::TargetId,
            (Var::Edge(_), "$relationshipName") => Root::Name,
            (Var::Node(_), "$metadata") if rest.first().is_some_and(|r| &**r == "$model") => {
                rest.remove(0);
                Root::Model
            }
            _ if head.starts_with('$') => Root::Shown(head),
            _ => Root::Property(head),
        };
        Ok(Path { var, root, rest })
    }

    /// A name of something that has a value, which a whole twin has not.
    fn value_of(&self, raw: &Raw) -> Result<Path, Error> {
        let path = self.bind(raw)?;
        if path.root != Root::Whole {
            return Ok(path);
        }
        let name = raw.parts.join(".");
        let (what, example) = match path.var {
            Var::Node(_) => ("twin", "$dtId"),
            Var::Edge(_) => ("relationship", "$relationshipId"),
        };
        let remedy = format!("name one of its values, as in {name}.{example}");
        Err(self.fault(raw.at, format!("{name} is a whole {what}"), &remedy))
    }
}
