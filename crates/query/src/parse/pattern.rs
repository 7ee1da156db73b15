//! FROM, JOIN and MATCH.

use super::Parser;
use crate::{
    ast::{Direction, Link, Source, Var},
    error::{Error, Kind},
    lexer::Token,
    limits::{MAX_HOPS, MAX_LINKS},
};
use gemelli_model::nearest;
use std::sync::Arc;

impl Parser<'_> {
    pub(super) fn from(&mut self) -> Result<(), Error> {
        if self.take_word("RELATIONSHIPS") {
            let name = self.collection_name()?;
            self.pattern.source = Source::Relationships;
            self.pattern.nodes = vec![None, None];
            self.pattern.edges = vec![name.clone()];
            self.pattern.links = vec![Link {
                from: 0,
                to: 1,
                direction: Direction::Out,
                names: Vec::new(),
                low: 1,
                high: 1,
                edge: Some(0),
            }];
            if name.is_some() {
                self.pattern.named.push(Var::Edge(0));
            }
            if self.is_word("JOIN") || self.is_word("MATCH") {
                let message = "JOIN and MATCH begin at twins, not at RELATIONSHIPS".into();
                return Err(self.fault(self.at(), message, "write FROM DIGITALTWINS"));
            }
            return Ok(());
        }
        if !self.take_word("DIGITALTWINS") {
            let mut error = self.unexpected("DIGITALTWINS or RELATIONSHIPS");
            if let Token::Word(word) = self.peek()
                && let Some(near) = nearest::name(word, ["DIGITALTWINS", "RELATIONSHIPS"])
            {
                error.remedy = format!("did you mean {near}?");
            }
            return Err(error);
        }
        if self.is_word("MATCH") {
            return self.chain();
        }
        let name = self.collection_name()?;
        if self.is_word("MATCH") {
            let message = "MATCH names its twins itself".into();
            return Err(self.fault(self.at(), message, "take the name behind DIGITALTWINS away"));
        }
        if name.is_some() {
            self.pattern.named.push(Var::Node(0));
        }
        self.pattern.nodes.push(name);
        while self.is_word("JOIN") {
            self.join()?;
        }
        if self.is_word("MATCH") {
            let message = "JOIN and MATCH do not go together".into();
            return Err(self.fault(self.at(), message, "put the JOINs into the MATCH"));
        }
        Ok(())
    }

    /// A name behind DIGITALTWINS or RELATIONSHIPS, with or without AS.
    fn collection_name(&mut self) -> Result<Option<Arc<str>>, Error> {
        if self.take_word("AS") {
            return self.name("a name behind AS").map(Some);
        }
        let number = matches!(self.tokens.get(self.next + 1), Some((Token::Number(_), _)));
        let slice = number && (self.is_word("LIMIT") || self.is_word("OFFSET"));
        let clause = ["JOIN", "MATCH", "WHERE", "GROUP", "ORDER"];
        let clause = clause.iter().any(|word| self.is_word(word));
        match self.peek() {
            Token::Word(_) if !clause && !slice => self.name("a name").map(Some),
            Token::Escaped(_) => self.name("a name").map(Some),
            _ => Ok(None),
        }
    }

    fn fresh(&mut self, name: &Arc<str>, at: usize) -> Result<(), Error> {
        if self.variable(name).is_none() {
            return Ok(());
        }
        let message = format!("{name} names something already");
        Err(self.fault(at, message, "choose another name"))
    }

    fn link(&mut self, link: Link, at: usize) -> Result<(), Error> {
        self.pattern.links.push(link);
        if self.pattern.links.len() <= MAX_LINKS {
            return Ok(());
        }
        let mut error = self.fault(
            at,
            format!("there are more than {MAX_LINKS} JOINs or relationship conditions"),
            "ask in two queries (limit MAX_LINKS)",
        );
        error.kind = Kind::Limit;
        Err(error)
    }

    /// JOIN t RELATED s.name r
    fn join(&mut self) -> Result<(), Error> {
        let start = self.at();
        self.expect_word("JOIN")?;
        self.pattern.source = Source::Join;
        let at = self.at();
        let twin = self.name("a name for the related twins")?;
        self.fresh(&twin, at)?;
        self.expect_word("RELATED")?;
        let raw = self.raw("a twin and its relationship, as in T.contains")?;
        let (source, relationship) = match raw.parts.as_slice() {
            [source, relationship] => (source.clone(), relationship.clone()),
            _ => {
                let message = "RELATED takes a twin and the name of a relationship".into();
                return Err(self.fault(raw.at, message, "write RELATED T.contains"));
            }
        };
        let from = match self.variable(&source) {
            Some(Var::Node(node)) => node,
            Some(Var::Edge(_)) => {
                let message = format!("{source} is a relationship, not a twin");
                return Err(self.fault(raw.at, message, "name a twin"));
            }
            None => {
                let known = self.variable_names();
                let remedy = match nearest::name(&source, known.iter().copied()) {
                    Some(near) => format!("did you mean {near}?"),
                    None if known.is_empty() => "name the twins: FROM DIGITALTWINS T".into(),
                    None => format!("there are {}", known.join(", ")),
                };
                let message = format!("{source} is no variable that stands before this JOIN");
                return Err(self.fault(raw.at, message, &remedy));
            }
        };
        let to = self.pattern.nodes.len();
        self.pattern.nodes.push(Some(twin));
        self.pattern.named.push(Var::Node(to));
        let at = self.at();
        let edge = match self.collection_name()? {
            Some(name) => {
                self.fresh(&name, at)?;
                let edge = self.pattern.edges.len();
                self.pattern.edges.push(Some(name));
                self.pattern.named.push(Var::Edge(edge));
                Some(edge)
            }
            None => None,
        };
        let link = Link {
            from,
            to,
            direction: Direction::Out,
            names: vec![relationship],
            low: 1,
            high: 1,
            edge,
        };
        self.link(link, start)
    }

    /// MATCH (a)-[r:name|name*2..3]->(b)…
    fn chain(&mut self) -> Result<(), Error> {
        self.expect_word("MATCH")?;
        self.pattern.source = Source::Match;
        let mut from = self.node()?;
        loop {
            let start = self.at();
            let left = match self.peek() {
                Token::Sign("<") => {
                    self.next += 1;
                    self.expect_sign("-")?;
                    true
                }
                Token::Sign("-") => {
                    self.next += 1;
                    false
                }
                _ => return Ok(()),
            };
            let (edge, names, low, high) = self.conditions()?;
            self.expect_sign("-")?;
            let at = self.at();
            let right = self.take_sign(">");
            let direction = match (left, right) {
                (false, true) => Direction::Out,
                (true, false) => Direction::In,
                (false, false) => Direction::Both,
                (true, true) => {
                    let message = "a relationship has one direction".into();
                    return Err(self.fault(at, message, "leave both arrows out to mean either"));
                }
            };
            let to = self.node()?;
            let link = Link {
                from,
                to,
                direction,
                names,
                low,
                high,
                edge,
            };
            self.link(link, start)?;
            from = to;
        }
    }

    /// (a), or () for any twin.
    fn node(&mut self) -> Result<usize, Error> {
        self.expect_sign("(")?;
        let fresh = self.pattern.nodes.len();
        if self.take_sign(")") {
            self.pattern.nodes.push(None);
            return Ok(fresh);
        }
        let at = self.at();
        let name = self.name("a name for the twin, or `)`")?;
        self.expect_sign(")")?;
        match self.variable(&name) {
            Some(Var::Node(known)) => Ok(known),
            Some(Var::Edge(_)) => {
                let message = format!("{name} names a relationship already");
                Err(self.fault(at, message, "choose another name"))
            }
            None => {
                self.pattern.nodes.push(Some(name));
                self.pattern.named.push(Var::Node(fresh));
                Ok(fresh)
            }
        }
    }

    #[allow(clippy::type_complexity)]
    fn conditions(&mut self) -> Result<(Option<usize>, Vec<Arc<str>>, u32, u32), Error> {
        self.expect_sign("[")?;
        let at = self.at();
        let mut edge = None;
        if let Token::Word(_) | Token::Escaped(_) = self.peek() {
            let name = self.name("a name for the relationship")?;
            self.fresh(&name, at)?;
            let place = self.pattern.edges.len();
            self.pattern.edges.push(Some(name));
            self.pattern.named.push(Var::Edge(place));
            edge = Some(place);
        }
        let mut names = Vec::new();
        if self.take_sign(":") {
            loop {
                match self.peek() {
                    Token::Word(word) | Token::Escaped(word) => {
                        names.push(word.as_str().into());
                        self.next += 1;
                    }
                    _ => return Err(self.unexpected("the name of a relationship")),
                }
                if !self.take_sign("|") {
                    break;
                }
            }
        }
        let hops_at = self.at();
        let (low, high) = match self.take_sign("*") {
            true => self.hops(hops_at)?,
            false => (1, 1),
        };
        if edge.is_some() && high > 1 {
            let message = "a relationship has a name only where there is one hop".into();
            return Err(self.fault(at, message, "leave the name or the hops out"));
        }
        self.expect_sign("]")?;
        Ok((edge, names, low, high))
    }

    /// What follows `*`: fewest and most hops.
    fn hops(&mut self, at: usize) -> Result<(u32, u32), Error> {
        let first = self.hop_count()?;
        let (low, high) = if self.take_sign("..") {
            // The lower end is exclusive, as documented: *2..4 is three or four hops.
            let last = self.hop_count()?;
            (first.unwrap_or(0) + 1, last.unwrap_or(MAX_HOPS))
        } else {
            (first.unwrap_or(1), first.unwrap_or(MAX_HOPS))
        };
        if high > MAX_HOPS {
            let mut error = self.fault(
                at,
                format!("{high} hops are more than {MAX_HOPS}"),
                "chain two relationship conditions (limit MAX_HOPS)",
            );
            error.kind = Kind::Limit;
            return Err(error);
        }
        if low == 0 || low > high {
            let message = "this range holds no number of hops".into();
            let remedy = "its lower end is exclusive: *1..3 is two or three hops, *3 is three";
            return Err(self.fault(at, message, remedy));
        }
        Ok((low, high))
    }

    fn hop_count(&mut self) -> Result<Option<u32>, Error> {
        let Token::Number(digits) = self.peek() else {
            return Ok(None);
        };
        match digits.parse::<u32>() {
            Ok(n) if n < u32::MAX => {
                self.next += 1;
                Ok(Some(n))
            }
            _ => Err(self.unexpected("a whole number of hops")),
        }
    }
}
