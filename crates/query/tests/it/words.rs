//! Random properties and random queries about them.

use crate::world::object;
use gemelli_model::Value;
use gemelli_testkit::chance::Chance;

/// Interfaces; each may extend those before it.
pub const NAMES: &[&str] = &[
    "dtmi:q:A;1",
    "dtmi:q:B;1",
    "dtmi:q:B;2",
    "dtmi:q:B;2.1",
    "dtmi:q:C;1",
    "dtmi:q:C;3",
    "dtmi:q:D;1",
];
const TEXTS: &[&str] = &["red", "green", "blue", "redder", "it\\'s", ""];
const RELATIONS: &[&str] = &["near", "feeds", "[[part of]]"];

pub struct Words<'a> {
    chance: &'a mut Chance,
    twins: Vec<String>,
    edges: Vec<String>,
}

impl<'a> Words<'a> {
    pub fn new(chance: &'a mut Chance) -> Self {
        Self {
            chance,
            twins: Vec::new(),
            edges: Vec::new(),
        }
    }

    fn quarter(&mut self) -> Value {
        Value::Double((self.chance.below(17) as f64 - 8.0) / 4.0)
    }

    fn plain_text(&mut self) -> Value {
        Value::text(self.chance.of(TEXTS).replace("\\'", "'"))
    }

    fn anything(&mut self) -> Value {
        match self.chance.below(8) {
            0 => Value::Bool(self.chance.percent(50)),
            1 | 2 => Value::Int(self.chance.below(7) as i64 - 3),
            3 => self.quarter(),
            4 => self.plain_text(),
            5 => Value::Array([Value::Null, self.plain_text(), Value::Int(1)].into()),
            6 => object([("k", Value::Null), ("l", self.plain_text())]),
            _ => Value::Array([].into()),
        }
    }

    pub fn properties(&mut self) -> Value {
        let mut fields: Vec<(&str, Value)> = Vec::new();
        let names = ["n", "x", "s", "b", "any", "order", "tags", "m", "o", "part"];
        for name in names {
            if !self.chance.percent(75) {
                continue;
            }
            let value = match name {
                "n" | "order" => Value::Int(self.chance.below(7) as i64 - 3),
                "x" => self.quarter(),
                "s" => self.plain_text(),
                "b" => Value::Bool(self.chance.percent(50)),
                "any" => self.anything(),
                "tags" => (0..self.chance.below(3))
                    .map(|_| self.plain_text())
                    .collect::<Vec<_>>()
                    .into_array(),
                "m" => object([
                    ("k1", Value::Int(self.chance.below(4) as i64)),
                    ("k 2", Value::Int(1)),
                ]),
                "o" => {
                    let z = self.plain_text();
                    object([("p", self.quarter()), ("q", object([("z", z)]))])
                }
                _ => object([("level", self.quarter())]),
            };
            fields.push((name, value));
        }
        Value::Object(fields.into_iter().map(|(n, v)| (n.into(), v)).collect())
    }

    pub fn edge_properties(&mut self) -> Value {
        match self.chance.below(4) {
            0 => Value::Null,
            1 => object([("w", self.quarter())]),
            2 => object([("since", self.plain_text())]),
            _ => {
                let since = self.plain_text();
                object([("w", self.quarter()), ("since", since)])
            }
        }
    }

    /// A whole query.
    pub fn query(&mut self) -> String {
        let from = self.from();
        let filter = match self.chance.percent(85) {
            true => format!(" WHERE {}", self.condition(2)),
            false => String::new(),
        };
        let slice = match self.chance.below(6) {
            0 => format!(" LIMIT {}", self.chance.below(9)),
            1 => format!(" OFFSET {}", self.chance.below(4)),
            2 => format!(
                " OFFSET {} LIMIT {}",
                self.chance.below(3),
                1 + self.chance.below(9)
            ),
            _ => String::new(),
        };
        let (select, tail) = match self.chance.below(4) {
            0 => self.grouped(),
            1 => self.aggregated(),
            _ => self.rows(),
        };
        let top = match slice.contains("LIMIT") || !self.chance.percent(15) {
            true => String::new(),
            false => format!("TOP({}) ", 1 + self.chance.below(8)),
        };
        format!("SELECT {top}{select} FROM {from}{filter}{tail}{slice}")
    }

    fn from(&mut self) -> String {
        match self.chance.below(10) {
            0..3 => {
                let alias = self.chance.of(&["", " T", " AS T", " [[T x]]"]);
                let name = alias.replace(" AS", "").trim().to_owned();
                self.twins.push(name);
                format!("DIGITALTWINS{alias}")
            }
            3 => {
                let alias = self.chance.of(&["", " R"]);
                self.edges.push(alias.trim().into());
                format!("RELATIONSHIPS{alias}")
            }
            4..6 => self.joins(),
            _ => self.chain(),
        }
    }

    fn joins(&mut self) -> String {
        let mut from = "DIGITALTWINS T0".to_owned();
        self.twins.push("T0".into());
        for n in 1..=1 + self.chance.below(2) {
            let known: Vec<&str> = self.twins.iter().map(String::as_str).collect();
            let source = self.chance.of(&known).to_owned();
            let relation = self.chance.of(RELATIONS);
            from += &format!(" JOIN T{n} RELATED {source}.{relation}");
            self.twins.push(format!("T{n}"));
            if self.chance.percent(50) {
                from += &format!(" R{n}");
                self.edges.push(format!("R{n}"));
            }
        }
        from
    }

    fn chain(&mut self) -> String {
        self.twins.push("a".into());
        let mut from = "DIGITALTWINS MATCH (a)".to_owned();
        let links = self.chance.below(3);
        for n in 0..links {
            let names = match self.chance.below(3) {
                0 => String::new(),
                1 => format!(":{}", self.chance.of(RELATIONS)),
                _ => ":near|feeds".into(),
            };
            let hops = match (links, self.chance.below(9)) {
                (_, 0) => "*2",
                (1, 1) => "*..3",
                (1, 2) => "*1..3",
                (_, 3) => "*1..2",
                (_, 4) => "*..2",
                _ => "",
            };
            let mut edge = String::new();
            if hops.is_empty() && self.chance.percent(60) {
                edge = format!("r{n}");
                self.edges.push(edge.clone());
            }
            let (tail, head) = [("-", "->"), ("<-", "-"), ("-", "-")][self.chance.below(3)];
            let node = match self.chance.below(10) {
                0 => String::new(),
                1 => "a".into(),
                _ => {
                    self.twins.push(format!("b{n}"));
                    format!("b{n}")
                }
            };
            from += &format!("{tail}[{edge}{names}{hops}]{head}({node})");
        }
        from
    }

    /// Rows, with or without an order.
    fn rows(&mut self) -> (String, String) {
        let select = match self.chance.below(4) {
            0 => "*".to_owned(),
            1 => {
                let all: Vec<String> = self
                    .twins
                    .iter()
                    .chain(&self.edges)
                    .filter(|n| !n.is_empty())
                    .cloned()
                    .collect();
                if all.is_empty() {
                    "*".into()
                } else {
                    all.join(", ")
                }
            }
            2 => self.path(),
            _ => format!("{} AS one, {} AS two", self.path(), self.path()),
        };
        if !self.chance.percent(40) {
            return (select, String::new());
        }
        let mut keys = vec![if select.contains(" AS one") && self.chance.percent(50) {
            "two".to_owned()
        } else {
            self.path()
        }];
        if self.chance.percent(40) {
            keys.push(self.path());
        }
        let keys: Vec<String> = keys
            .into_iter()
            .map(|k| format!("{k}{}", self.chance.of(&["", " ASC", " DESC"])))
            .collect();
        (select, format!(" ORDER BY {}", keys.join(", ")))
    }

    fn aggregate(&mut self) -> String {
        match self.chance.below(6) {
            0 => "COUNT()".into(),
            1 => format!("COUNT({})", self.path()),
            2 => format!("SUM({})", self.path()),
            3 => format!("AVG({})", self.path()),
            4 => format!("MIN({})", self.path()),
            _ => format!("MAX({})", self.path()),
        }
    }

    fn aggregated(&mut self) -> (String, String) {
        match self.chance.percent(50) {
            true => ("COUNT()".into(), String::new()),
            false => (
                format!("COUNT(), {} AS other", self.aggregate()),
                String::new(),
            ),
        }
    }

    fn grouped(&mut self) -> (String, String) {
        let key = self.path();
        let select = format!("{key} AS k, COUNT(), {} AS v", self.aggregate());
        let order = match self.chance.below(5) {
            0 => " ORDER BY v DESC",
            1 => " ORDER BY COUNT() DESC, k",
            2 => " ORDER BY COUNT ASC",
            _ => "",
        };
        (select, format!(" GROUP BY {key}{order}"))
    }

    fn on(&mut self, variables: &[String]) -> String {
        let all: Vec<&str> = variables.iter().map(String::as_str).collect();
        match self.chance.of(&all) {
            "" => String::new(),
            name => format!("{name}."),
        }
    }

    /// A property or a system value of some variable.
    fn path(&mut self) -> String {
        if self.twins.is_empty() || !self.edges.is_empty() && self.chance.percent(25) {
            let edge = self.on(&self.edges.clone());
            let members = [
                "w",
                "since",
                "$relationshipId",
                "$relationshipName",
                "$sourceId",
                "$targetId",
            ];
            return format!("{edge}{}", self.chance.of(&members));
        }
        let twin = self.on(&self.twins.clone());
        let members = [
            "n",
            "x",
            "s",
            "b",
            "any",
            "[[order]]",
            "tags",
            "m.k1",
            "m.[[k 2]]",
            "o",
            "o.p",
            "o.q.z",
            "part.level",
            "any.l",
            "$dtId",
            "$metadata.$model",
            "nowhere",
        ];
        format!("{twin}{}", self.chance.of(&members))
    }

    fn number_path(&mut self) -> String {
        if self.twins.is_empty() {
            return format!("{}w", self.on(&self.edges.clone()));
        }
        let twin = self.on(&self.twins.clone());
        format!(
            "{twin}{}",
            self.chance
                .of(&["n", "x", "[[order]]", "m.k1", "o.p", "part.level", "any"])
        )
    }

    fn text_path(&mut self) -> String {
        if self.twins.is_empty() || !self.edges.is_empty() && self.chance.percent(30) {
            let edge = self.on(&self.edges.clone());
            return format!(
                "{edge}{}",
                self.chance
                    .of(&["since", "$relationshipName", "$sourceId", "$targetId"])
            );
        }
        let twin = self.on(&self.twins.clone());
        format!(
            "{twin}{}",
            self.chance
                .of(&["s", "s", "o.q.z", "any.l", "$dtId", "$metadata.$model"])
        )
    }

    fn number(&mut self) -> String {
        match self.chance.percent(60) {
            true => (self.chance.below(7) as i64 - 3).to_string(),
            false => self.quarter().to_string(),
        }
    }

    fn text(&mut self) -> String {
        match self.chance.below(8) {
            0 => format!("'t{}'", self.chance.below(24)),
            1 => format!("'{}'", self.chance.of(NAMES)),
            2 => format!("'{}'", self.chance.of(&["near", "feeds", "part of"])),
            _ => format!("'{}'", self.chance.of(TEXTS)),
        }
    }

    fn literal(&mut self) -> String {
        match self.chance.below(5) {
            0 => self.chance.of(&["true", "false", "null"]).into(),
            1 | 2 => self.number(),
            _ => self.text(),
        }
    }

    fn condition(&mut self, depth: usize) -> String {
        if depth > 0 {
            match self.chance.below(6) {
                0 => {
                    return format!(
                        "{} AND {}",
                        self.condition(depth - 1),
                        self.condition(depth - 1)
                    );
                }
                1 => {
                    return format!(
                        "{} OR {}",
                        self.condition(depth - 1),
                        self.condition(depth - 1)
                    );
                }
                2 => {
                    return format!(
                        "({} OR {}) AND {}",
                        self.condition(0),
                        self.condition(0),
                        self.condition(depth - 1)
                    );
                }
                3 => return format!("NOT ({})", self.condition(depth - 1)),
                _ => {}
            }
        }
        self.simple()
    }

    fn simple(&mut self) -> String {
        let op = self.chance.of(&["=", "!=", "<>", "<", "<=", ">", ">="]);
        match self.chance.below(16) {
            0..3 => format!("{} {op} {}", self.number_path(), self.number()),
            3 => format!("{} {op} {}", self.text_path(), self.text()),
            4 => format!("{} {op} {}", self.path(), self.path()),
            5 => format!("{} {op} {}", self.path(), self.literal()),
            6 => {
                let list: Vec<String> = (0..1 + self.chance.below(4))
                    .map(|_| self.literal())
                    .collect();
                format!(
                    "{} {} [{}]",
                    self.path(),
                    self.chance.of(&["IN", "NIN", "NOT IN"]),
                    list.join(", ")
                )
            }
            7 => {
                let ids: Vec<String> = (0..1 + self.chance.below(6))
                    .map(|_| format!("'t{}'", self.chance.below(24)))
                    .collect();
                let path = self.id_path();
                format!("{path} IN ({})", ids.join(", "))
            }
            8 => format!("{} = 't{}'", self.id_path(), self.chance.below(24)),
            9..11 => match self.twins.is_empty() {
                true => format!(
                    "$relationshipName = '{}'",
                    self.chance.of(&["near", "feeds"])
                ),
                false => self.of_model(),
            },
            11 => {
                let function = self.chance.of(&["STARTSWITH", "ENDSWITH", "CONTAINS"]);
                let part = self.chance.of(&["re", "d", "t1", "e", "B;", "\\'s"]);
                format!("{function}({}, '{part}')", self.text_path())
                    .trim()
                    .to_owned()
            }
            12 if !self.twins.is_empty() => {
                let twin = self.on(&self.twins.clone());
                format!(
                    "ARRAY_CONTAINS({twin}{}, {})",
                    self.chance.of(&["tags", "tags", "any"]),
                    self.text()
                )
            }
            13 if !self.twins.is_empty() => format!("{}b", self.on(&self.twins.clone())),
            _ => {
                let functions = [
                    "BOOL",
                    "DEFINED",
                    "NULL",
                    "NUMBER",
                    "OBJECT",
                    "PRIMITIVE",
                    "STRING",
                ];
                format!("IS_{}({})", self.chance.of(&functions), self.path())
            }
        }
    }

    fn id_path(&mut self) -> String {
        if self.twins.is_empty() || !self.edges.is_empty() && self.chance.percent(40) {
            let edge = self.on(&self.edges.clone());
            return format!("{edge}{}", self.chance.of(&["$sourceId", "$targetId"]));
        }
        format!("{}$dtId", self.on(&self.twins.clone()))
    }

    fn of_model(&mut self) -> String {
        let alone = self.twins.len() == 1 && !matches!(self.twins[0].as_str(), "a");
        let twin = match self.on(&self.twins.clone()).trim_end_matches('.') {
            "" => String::new(),
            _ if alone && self.chance.percent(50) => String::new(),
            name => format!("{name}, "),
        };
        let model = self.chance.of(&[
            "dtmi:q:A;1",
            "dtmi:q:B;1",
            "dtmi:q:B;2",
            "dtmi:q:B;2.1",
            "dtmi:q:C;2",
            "dtmi:q:C",
            "dtmi:q:D;1",
            "dtmi:q:E;1",
        ]);
        let exact = self.chance.of(&["", "", ", exact"]);
        format!("IS_OF_MODEL({twin}'{model}'{exact})")
    }
}

trait IntoArray {
    fn into_array(self) -> Value;
}

impl IntoArray for Vec<Value> {
    fn into_array(self) -> Value {
        Value::Array(self.into())
    }
}
