//! The text of a query, read for the brute-force evaluator. Knows right queries only and panics at
//! others.

use gemelli_model::Value;

#[derive(Clone, Debug, Default)]
pub(super) struct Query {
    pub columns: Vec<Column>,
    pub relationships: bool,
    /// The one variable without JOIN and MATCH.
    pub alias: String,
    pub joined: bool,
    pub matched: bool,
    /// The first twin's variable of a MATCH or of JOINs, and what hangs on it.
    pub first: String,
    pub hops: Vec<Hop>,
    pub filter: Option<E>,
    pub group: Vec<Vec<String>>,
    pub order: Vec<(Column, bool)>,
    pub limit: Option<usize>,
    pub offset: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Hop {
    pub from: String,
    pub edge: String,
    pub to: String,
    /// 1 along, -1 against, 0 either.
    pub direction: i8,
    pub names: Vec<String>,
    pub low: usize,
    pub high: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Column {
    /// COUNT, SUM …, or nothing.
    pub function: String,
    pub path: Vec<String>,
    pub alias: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) enum E {
    Not(Box<E>),
    Both(Box<E>, Box<E>),
    Either(Box<E>, Box<E>),
    Compare(String, Box<E>, Box<E>),
    In(Box<E>, Vec<Value>),
    Value(Value),
    Path(Vec<String>),
    Call(String, Vec<E>),
}

#[derive(Clone, Debug, PartialEq)]
enum T {
    /// A word, and whether it stood in brackets.
    W(String, bool),
    V(Value),
    S(String),
}

fn lex(text: &str) -> Vec<T> {
    let c: Vec<char> = text.chars().collect();
    let (mut i, mut out) = (0, Vec::new());
    while i < c.len() {
        let begin = i;
        if c[i].is_whitespace() {
            i += 1;
        } else if c[i] == '\'' {
            let mut s = String::new();
            i += 1;
            while c[i] != '\'' {
                if c[i] == '\\' && (c[i + 1] == '\'' || c[i + 1] == '\\') {
                    i += 1;
                }
                s.push(c[i]);
                i += 1;
            }
            i += 1;
            out.push(T::V(Value::text(s)));
        } else if c[i..].starts_with(&['[', '[']) {
            while !c[i..].starts_with(&[']', ']']) {
                i += 1;
            }
            out.push(T::W(c[begin + 2..i].iter().collect(), true));
            i += 2;
        } else if c[i].is_ascii_digit() {
            while i < c.len() && (c[i].is_ascii_digit() || c[i] == '.' && c[i + 1] != '.') {
                i += 1;
            }
            let s: String = c[begin..i].iter().collect();
            let value = s
                .parse()
                .map_or_else(|_| Value::Double(s.parse().unwrap()), Value::Int);
            out.push(T::V(value));
        } else if c[i].is_alphabetic() || c[i] == '$' || c[i] == '_' {
            while i < c.len() && (c[i].is_alphanumeric() || c[i] == '$' || c[i] == '_') {
                i += 1;
            }
            out.push(T::W(c[begin..i].iter().collect(), false));
        } else {
            let two: String = c[i..c.len().min(i + 2)].iter().collect();
            let long = ["<=", ">=", "!=", "<>", ".."].contains(&two.as_str());
            i += 1 + usize::from(long);
            out.push(T::S(c[begin..i].iter().collect()));
        }
    }
    out
}

pub(super) fn read(text: &str) -> Query {
    let mut reader = Reader { t: lex(text), i: 0 };
    let query = reader.query();
    assert_eq!(
        reader.i,
        reader.t.len(),
        "{text}: rest {:?}",
        reader.t.get(reader.i)
    );
    query
}

struct Reader {
    t: Vec<T>,
    i: usize,
}

impl Reader {
    fn is(&self, word: &str) -> bool {
        matches!(self.t.get(self.i), Some(T::W(w, false)) if w.eq_ignore_ascii_case(word))
    }
    fn sign(&self, sign: &str) -> bool {
        matches!(self.t.get(self.i), Some(T::S(s)) if s == sign)
    }
    fn took(&mut self, what: &str) -> bool {
        let found = self.is(what) || self.sign(what);
        self.i += usize::from(found);
        found
    }
    fn must(&mut self, what: &str) {
        assert!(
            self.took(what),
            "{what} expected, {:?} found",
            self.t.get(self.i)
        );
    }
    fn word(&mut self) -> String {
        let Some(T::W(w, _)) = self.t.get(self.i) else {
            panic!("a word expected, {:?} found", self.t.get(self.i));
        };
        self.i += 1;
        w.clone()
    }
    fn number(&mut self) -> usize {
        let Some(T::V(Value::Int(n))) = self.t.get(self.i) else {
            panic!("a number expected, {:?} found", self.t.get(self.i));
        };
        self.i += 1;
        *n as usize
    }
    fn path(&mut self) -> Vec<String> {
        let mut path = vec![self.word()];
        while self.took(".") {
            path.push(self.word());
        }
        path
    }

    fn query(&mut self) -> Query {
        let mut q = Query::default();
        self.must("SELECT");
        if self.took("TOP") {
            self.must("(");
            q.limit = Some(self.number());
            self.must(")");
        }
        if !self.took("*") && !self.is("FROM") {
            q.columns.push(self.column());
            while self.took(",") {
                q.columns.push(self.column());
            }
        }
        self.must("FROM");
        q.relationships = self.is("RELATIONSHIPS");
        self.i += 1;
        if self.took("MATCH") {
            q.matched = true;
            self.chain(&mut q);
        } else {
            q.alias = self.alias().unwrap_or_default();
            q.first = q.alias.clone();
            while self.took("JOIN") {
                q.joined = true;
                let to = self.word();
                self.must("RELATED");
                let path = self.path();
                q.hops.push(Hop {
                    from: path[0].clone(),
                    edge: self.alias().unwrap_or_default(),
                    to,
                    direction: 1,
                    names: vec![path[1].clone()],
                    low: 1,
                    high: 1,
                });
            }
        }
        if self.took("WHERE") {
            q.filter = Some(self.either());
        }
        if self.took("GROUP") {
            self.must("BY");
            q.group.push(self.path());
            while self.took(",") {
                q.group.push(self.path());
            }
        }
        if self.took("ORDER") {
            self.must("BY");
            loop {
                let column = self.column();
                let down = self.took("DESC");
                self.took("ASC");
                q.order.push((column, down));
                if !self.took(",") {
                    break;
                }
            }
        }
        loop {
            if self.took("LIMIT") {
                q.limit = Some(self.number());
            } else if self.took("OFFSET") {
                q.offset = self.number();
            } else {
                return q;
            }
        }
    }

    fn alias(&mut self) -> Option<String> {
        let clauses = [
            "JOIN", "MATCH", "WHERE", "GROUP", "ORDER", "LIMIT", "OFFSET",
        ];
        if self.took("AS")
            || matches!(self.t.get(self.i), Some(T::W(..))) && !clauses.iter().any(|c| self.is(c))
        {
            return Some(self.word());
        }
        None
    }

    fn column(&mut self) -> Column {
        let call = matches!(self.t.get(self.i + 1), Some(T::S(s)) if s == "(");
        let mut column = Column {
            function: String::new(),
            path: Vec::new(),
            alias: None,
        };
        if call {
            column.function = self.word().to_ascii_uppercase();
            self.must("(");
            if !self.took("*") && !self.sign(")") {
                column.path = self.path();
            }
            self.must(")");
        } else {
            column.path = self.path();
        }
        if self.took("AS") {
            column.alias = Some(self.word());
        }
        column
    }

    fn node(&mut self, q: &Query) -> String {
        self.must("(");
        // Twins without a name get one that no query writes.
        let name = if self.sign(")") {
            format!("({})", q.hops.len())
        } else {
            self.word()
        };
        self.must(")");
        name
    }

    fn chain(&mut self, q: &mut Query) {
        q.first = self.node(q);
        let mut from = q.first.clone();
        while self.sign("<") || self.sign("-") {
            let left = self.took("<");
            self.must("-");
            self.must("[");
            let edge = if self.sign(":") || self.sign("*") || self.sign("]") {
                String::new()
            } else {
                self.word()
            };
            let (mut names, mut low, mut high) = (Vec::new(), 1, 1);
            if self.took(":") {
                names.push(self.word());
                while self.took("|") {
                    names.push(self.word());
                }
            }
            if self.took("*") {
                let lone = !self.sign("..");
                low = if lone { self.number() } else { 0 };
                high = low;
                if self.took("..") {
                    low += 1;
                    high = self.number();
                }
            }
            self.must("]");
            self.must("-");
            let right = self.took(">");
            q.hops.push(Hop {
                from,
                edge,
                to: String::new(),
                direction: i8::from(right) - i8::from(left),
                names,
                low,
                high,
            });
            let to = self.node(q);
            q.hops.last_mut().unwrap().to = to.clone();
            from = to;
        }
    }

    fn either(&mut self) -> E {
        let mut left = self.both();
        while self.took("OR") {
            left = E::Either(Box::new(left), Box::new(self.both()));
        }
        left
    }
    fn both(&mut self) -> E {
        let mut left = self.not();
        while self.took("AND") {
            left = E::Both(Box::new(left), Box::new(self.not()));
        }
        left
    }
    fn not(&mut self) -> E {
        if self.took("NOT") {
            return E::Not(Box::new(self.not()));
        }
        let left = Box::new(self.one());
        let nin = self.took("NIN") || {
            let both = self.is("NOT");
            self.i += usize::from(both);
            both && {
                self.must("IN");
                true
            }
        };
        if nin || self.took("IN") {
            self.i += 1;
            let mut values = Vec::new();
            loop {
                let E::Value(value) = self.one() else {
                    panic!("a value expected");
                };
                values.push(value);
                let more = self.sign(",");
                self.i += 1;
                if !more {
                    break;
                }
            }
            let found = E::In(left, values);
            return if nin { E::Not(Box::new(found)) } else { found };
        }
        for op in ["=", "!=", "<>", "<=", ">=", "<", ">"] {
            if self.took(op) {
                return E::Compare(op.into(), left, Box::new(self.one()));
            }
        }
        *left
    }
    fn one(&mut self) -> E {
        if self.took("(") {
            let inner = self.either();
            self.must(")");
            return inner;
        }
        if self.took("-") {
            self.i += 1;
            return match &self.t[self.i - 1] {
                T::V(Value::Int(n)) => E::Value(Value::Int(-n)),
                T::V(Value::Double(n)) => E::Value(Value::Double(-n)),
                other => panic!("a number expected, {other:?} found"),
            };
        }
        if let T::V(value) = &self.t[self.i] {
            self.i += 1;
            return E::Value(value.clone());
        }
        for (word, value) in [
            ("TRUE", Value::Bool(true)),
            ("FALSE", Value::Bool(false)),
            ("NULL", Value::Null),
        ] {
            if self.took(word) {
                return E::Value(value);
            }
        }
        let path = self.path();
        if !self.took("(") {
            return E::Path(path);
        }
        let mut arguments = Vec::new();
        while !self.took(")") {
            arguments.push(self.one());
            self.took(",");
        }
        E::Call(path[0].to_ascii_uppercase(), arguments)
    }
}
