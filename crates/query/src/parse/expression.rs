//! Conditions of WHERE.

use super::Parser;
use crate::{
    ast::{Compare, Expr, Is, Model, Root, TextTest, Var},
    error::Error,
    lexer::Token,
};
use gemelli_model::{Value, nearest};

/// Functions of a condition.
const FUNCTIONS: &[(&str, Function)] = &[
    ("ARRAY_CONTAINS", Function::ArrayContains),
    ("CONTAINS", Function::Text(TextTest::Contains)),
    ("STARTSWITH", Function::Text(TextTest::StartsWith)),
    ("ENDSWITH", Function::Text(TextTest::EndsWith)),
    ("IS_BOOL", Function::Is(Is::Bool)),
    ("IS_DEFINED", Function::Is(Is::Defined)),
    ("IS_NULL", Function::Is(Is::Null)),
    ("IS_NUMBER", Function::Is(Is::Number)),
    ("IS_OBJECT", Function::Is(Is::Object)),
    ("IS_OF_MODEL", Function::OfModel),
    ("IS_PRIMITIVE", Function::Is(Is::Primitive)),
    ("IS_STRING", Function::Is(Is::String)),
];

#[derive(Clone, Copy)]
enum Function {
    Text(TextTest),
    ArrayContains,
    Is(Is),
    OfModel,
}

const COMPARISONS: &[(&str, Compare)] = &[
    ("=", Compare::Equal),
    ("!=", Compare::Unequal),
    ("<>", Compare::Unequal),
    ("<", Compare::Less),
    ("<=", Compare::LessOrEqual),
    (">", Compare::Greater),
    (">=", Compare::GreaterOrEqual),
];

impl Parser<'_> {
    /// Something that is true or false.
    pub(super) fn condition(&mut self) -> Result<Expr, Error> {
        let mut any = vec![self.all()?];
        while self.take_word("OR") {
            any.push(self.all()?);
        }
        Ok(match any.len() {
            1 => any.remove(0),
            _ => Expr::Or(any),
        })
    }

    fn all(&mut self) -> Result<Expr, Error> {
        let mut all = Vec::new();
        loop {
            match self.negated()? {
                // A chain in brackets is the same chain.
                Expr::And(inner) => all.extend(inner),
                one => all.push(one),
            }
            if !self.take_word("AND") {
                break;
            }
        }
        Ok(match all.len() {
            1 => all.remove(0),
            _ => Expr::And(all),
        })
    }

    fn negated(&mut self) -> Result<Expr, Error> {
        if self.take_word("NOT") {
            self.deeper()?;
            let inner = self.negated()?;
            self.depth -= 1;
            return Ok(Expr::Not(Box::new(inner)));
        }
        let at = self.at();
        let found = self.comparison()?;
        match &found {
            Expr::Literal(value) if value.as_bool().is_none() => {
                let message = format!("a {} is no condition", value.kind());
                Err(self.fault(at, message, "compare it with something"))
            }
            _ => Ok(found),
        }
    }

    fn comparison(&mut self) -> Result<Expr, Error> {
        let left = self.operand()?;
        if let Token::Sign(sign) = self.peek()
            && let Some((_, compare)) = COMPARISONS.iter().find(|(s, _)| s == sign)
        {
            self.next += 1;
            let right = self.operand()?;
            if let Token::Sign(sign) = self.peek()
                && COMPARISONS.iter().any(|(s, _)| s == sign)
            {
                let mut error = self.unexpected("AND, OR or the end of the condition");
                error.remedy = "comparisons do not chain: write a < b AND b < c".into();
                return Err(error);
            }
            return Ok(Expr::Compare(*compare, Box::new(left), Box::new(right)));
        }
        let not_in = self.is_word("NOT")
            && matches!(self.tokens.get(self.next + 1), Some((Token::Word(w), _)) if w.eq_ignore_ascii_case("IN"));
        if not_in || self.is_word("NIN") {
            self.next += 1 + usize::from(not_in);
            let list = self.list()?;
            return Ok(Expr::Not(Box::new(Expr::In(Box::new(left), list))));
        }
        if self.take_word("IN") {
            let list = self.list()?;
            return Ok(Expr::In(Box::new(left), list));
        }
        Ok(left)
    }

    /// Values in square or round brackets.
    fn list(&mut self) -> Result<Vec<Value>, Error> {
        let close = if self.take_sign("[") {
            "]"
        } else if self.take_sign("(") {
            ")"
        } else {
            return Err(self.unexpected("a list of values, as in ['a', 'b']"));
        };
        let mut list = Vec::new();
        loop {
            match self.literal()? {
                Some(value) => list.push(value),
                None => return Err(self.unexpected("a value (text, number, true, false, null)")),
            }
            if !self.take_sign(",") {
                self.expect_sign(close)?;
                return Ok(list);
            }
        }
    }

    fn literal(&mut self) -> Result<Option<Value>, Error> {
        let value = match self.peek() {
            Token::Text(text) => Value::text(text.as_str()),
            Token::Word(word) if word.eq_ignore_ascii_case("TRUE") => Value::Bool(true),
            Token::Word(word) if word.eq_ignore_ascii_case("FALSE") => Value::Bool(false),
            Token::Word(word) if word.eq_ignore_ascii_case("NULL") => Value::Null,
            Token::Number(_) => return self.number("").map(Some),
            Token::Sign("-") => {
                self.next += 1;
                return self.number("-").map(Some);
            }
            _ => return Ok(None),
        };
        self.next += 1;
        Ok(Some(value))
    }

    fn number(&mut self, sign: &str) -> Result<Value, Error> {
        let Token::Number(digits) = self.peek() else {
            return Err(self.unexpected("a number behind the minus sign"));
        };
        let written = format!("{sign}{digits}");
        let value = match written.parse::<i64>() {
            Ok(n) => Value::Int(n),
            Err(_) => match written.parse::<f64>() {
                Ok(n) if n.is_finite() => Value::Double(n),
                _ => {
                    let message = "this number is too large".into();
                    return Err(self.fault(self.at(), message, "numbers have 64 bits"));
                }
            },
        };
        self.next += 1;
        Ok(value)
    }

    fn operand(&mut self) -> Result<Expr, Error> {
        if self.take_sign("(") {
            self.deeper()?;
            let inner = self.condition_or_value()?;
            self.depth -= 1;
            self.expect_sign(")")?;
            return Ok(inner);
        }
        if let Some(value) = self.literal()? {
            return Ok(Expr::Literal(value));
        }
        let called = self.tokens.get(self.next + 1).map(|(t, _)| t) == Some(&Token::Sign("("));
        if called && let Token::Word(name) = self.peek() {
            return self.function(name.clone());
        }
        let raw = self.raw("a property, a value or a function")?;
        Ok(Expr::Path(self.value_of(&raw)?))
    }

    /// What stands in brackets: a condition, or a plain value that is compared outside.
    fn condition_or_value(&mut self) -> Result<Expr, Error> {
        let before = self.next;
        if let Some(value) = self.literal()? {
            if *self.peek() == Token::Sign(")") {
                return Ok(Expr::Literal(value));
            }
            self.next = before;
        }
        self.condition()
    }

    fn function(&mut self, name: String) -> Result<Expr, Error> {
        let at = self.at();
        let known = FUNCTIONS
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(&name));
        let Some((name, function)) = known else {
            let remedy = match nearest::name(&name, FUNCTIONS.iter().map(|(n, _)| *n)) {
                Some(near) => format!("did you mean {near}?"),
                None => {
                    let all: Vec<_> = FUNCTIONS.iter().map(|(n, _)| *n).collect();
                    format!("there are {}", all.join(", "))
                }
            };
            let message = format!("there is no function {}", self.peek().shown());
            return Err(self.fault(at, message, &remedy));
        };
        self.next += 2;
        self.deeper()?;
        let call = match function {
            Function::Text(test) => {
                let a = self.text_argument(name, "first")?;
                self.expect_sign(",")?;
                let b = self.text_argument(name, "second")?;
                Expr::Text(*test, Box::new(a), Box::new(b))
            }
            Function::ArrayContains => {
                let array_at = self.at();
                let array = self.operand()?;
                if matches!(array, Expr::Literal(_)) {
                    let message = format!("{name} takes a property that is an array first");
                    return Err(self.fault(array_at, message, "as in ARRAY_CONTAINS(T.floors, 2)"));
                }
                self.expect_sign(",")?;
                Expr::ArrayContains(Box::new(array), Box::new(self.operand()?))
            }
            Function::Is(is) => Expr::Is(*is, Box::new(self.is_argument(*is)?)),
            Function::OfModel => self.of_model()?,
        };
        self.depth -= 1;
        self.expect_sign(")")?;
        Ok(call)
    }

    fn text_argument(&mut self, function: &str, place: &str) -> Result<Expr, Error> {
        let at = self.at();
        let argument = self.operand()?;
        let wrong = match &argument {
            Expr::Path(_) => None,
            Expr::Literal(value) if value.as_str().is_some() => None,
            Expr::Literal(value) => Some(value.kind()),
            _ => Some("condition"),
        };
        match wrong {
            None => Ok(argument),
            Some(kind) => {
                let message = format!("the {place} argument of {function} is text, not a {kind}");
                Err(self.fault(at, message, "give a property, or text in single quotes"))
            }
        }
    }

    /// IS_DEFINED may be asked of a whole twin, which is always there.
    fn is_argument(&mut self, is: Is) -> Result<Expr, Error> {
        let before = self.next;
        if is == Is::Defined
            && let Token::Word(_) | Token::Escaped(_) = self.peek()
        {
            let raw = self.raw("a property")?;
            let path = self.bind(&raw)?;
            if path.root == Root::Whole {
                return Ok(Expr::Literal(Value::Bool(true)));
            }
            self.next = before;
        }
        self.operand()
    }

    /// IS_OF_MODEL([twin,] 'id' [, exact])
    fn of_model(&mut self) -> Result<Expr, Error> {
        let at = self.at();
        let node = match self.peek() {
            Token::Word(_) | Token::Escaped(_) => {
                let raw = self.raw("a twin, or a model's id in single quotes")?;
                let path = self.bind(&raw)?;
                self.expect_sign(",")?;
                match (path.var, path.root) {
                    (Var::Node(node), Root::Whole) => node,
                    _ => {
                        let message = format!("{} is no twin", raw.parts.join("."));
                        return Err(self.fault(raw.at, message, "only twins have models"));
                    }
                }
            }
            _ => match self.only() {
                Some(Var::Node(node)) => node,
                Some(Var::Edge(_)) => {
                    let message = "relationships have no model".into();
                    return Err(self.fault(at, message, "ask for $relationshipName"));
                }
                None => {
                    let message = "there are several twins: IS_OF_MODEL needs to know which".into();
                    return Err(self.fault(at, message, "write IS_OF_MODEL(T, 'id')"));
                }
            },
        };
        let Token::Text(id) = self.peek() else {
            return Err(self.unexpected("a model's id in single quotes"));
        };
        let id = id.as_str().into();
        self.next += 1;
        let mut exact = false;
        if self.take_sign(",") {
            if !self.take_word("EXACT") {
                return Err(self.unexpected("exact"));
            }
            exact = true;
        }
        let model = Model { id, exact };
        let place = match self.models.iter().position(|m| *m == model) {
            Some(known) => known,
            None => {
                self.models.push(model);
                self.models.len() - 1
            }
        };
        Ok(Expr::OfModel(node, place))
    }
}
