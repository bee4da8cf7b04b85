//! Tokens into a tree, by recursive descent.

use query::QueryError;

use super::ast::*;
use super::lexer::{Token, tokens};
use crate::limits::{MAX_BYTES, MAX_DEPTH, MAX_JOINS, too_deep, too_long, too_many_joins};
use crate::types::{Type, utc};

/// Words that start a query.
const QUERY: [&str; 4] = ["SELECT", "WITH", "VALUES", "TABLE"];

/// Words that cannot be names without quotes, from Trino's documentation of reserved keywords.
const RESERVED: [&str; 79] = [
    "ALTER",
    "AND",
    "AS",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "CONSTRAINT",
    "CREATE",
    "CROSS",
    "CUBE",
    "CURRENT_CATALOG",
    "CURRENT_DATE",
    "CURRENT_PATH",
    "CURRENT_ROLE",
    "CURRENT_SCHEMA",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "CURRENT_USER",
    "DEALLOCATE",
    "DELETE",
    "DESCRIBE",
    "DISTINCT",
    "DROP",
    "ELSE",
    "END",
    "ESCAPE",
    "EXCEPT",
    "EXECUTE",
    "EXISTS",
    "EXTRACT",
    "FALSE",
    "FOR",
    "FROM",
    "FULL",
    "GROUP",
    "GROUPING",
    "HAVING",
    "IN",
    "INNER",
    "INSERT",
    "INTERSECT",
    "INTO",
    "IS",
    "JOIN",
    "JSON_ARRAY",
    "JSON_EXISTS",
    "JSON_OBJECT",
    "JSON_QUERY",
    "JSON_TABLE",
    "JSON_VALUE",
    "LEFT",
    "LIKE",
    "LISTAGG",
    "LOCALTIME",
    "LOCALTIMESTAMP",
    "NATURAL",
    "NORMALIZE",
    "NOT",
    "NULL",
    "ON",
    "OR",
    "ORDER",
    "OUTER",
    "PREPARE",
    "RECURSIVE",
    "RIGHT",
    "ROLLUP",
    "SELECT",
    "TABLE",
    "THEN",
    "TRIM",
    "TRUE",
    "UESCAPE",
    "UNION",
    "UNNEST",
    "USING",
    "VALUES",
    "WHEN",
];

/// The rest of the reserved words: those that end a clause.
const RESERVED_CLAUSES: [&str; 2] = ["WHERE", "WITH"];

/// Runs something on a stack that holds the deepest statement there is, in unoptimised builds too.
pub(crate) fn with_deep_stack<T>(run: impl FnOnce() -> T) -> T {
    const STACK: usize = 64 << 20;
    stacker::maybe_grow(STACK / 2, STACK, run)
}

/// The tree of one query.
pub(crate) fn parse(text: &str) -> Result<Query, QueryError> {
    with_deep_stack(|| parse_here(text))
}

fn parse_here(text: &str) -> Result<Query, QueryError> {
    if text.len() > MAX_BYTES {
        return Err(too_long(text));
    }
    let tokens = tokens(text)?;
    let closing = closing(&tokens);
    let mut parser = Parser { tokens, closing, next: 0, depth: 0, joins: 0 };
    let starts_query = QUERY.iter().any(|word| parser.is_word(word));
    if let (false, Token::Word(word)) = (starts_query, parser.peek()) {
        return Err(QueryError::Unsupported {
            construct: format!("statement {}", word.to_uppercase()),
            remedy: "queries are run: SELECT, WITH, VALUES or TABLE".to_owned(),
        });
    }
    let query = parser.query()?;
    match parser.peek() {
        Token::End => Ok(query),
        _ => Err(parser.unexpected("the end of the statement")),
    }
}

struct Parser {
    tokens: Vec<(At, Token)>,
    /// For each `(` the place of its `)`, for everything else the end.
    closing: Vec<usize>,
    next: usize,
    depth: usize,
    joins: usize,
}

/// Where the parentheses that open at each token close.
fn closing(tokens: &[(At, Token)]) -> Vec<usize> {
    let mut closing = vec![tokens.len(); tokens.len()];
    let mut open = Vec::new();
    for (at, (_, token)) in tokens.iter().enumerate() {
        match token {
            Token::Symbol("(") => open.push(at),
            Token::Symbol(")") => {
                if let Some(open) = open.pop() {
                    closing[open] = at;
                }
            }
            _ => {}
        }
    }
    closing
}

type Parsed<T> = Result<T, QueryError>;

fn unsupported<T>(construct: impl Into<String>, remedy: impl Into<String>) -> Parsed<T> {
    Err(QueryError::Unsupported { construct: construct.into(), remedy: remedy.into() })
}

fn is_reserved(word: &str) -> bool {
    RESERVED.iter().chain(&RESERVED_CLAUSES).any(|reserved| reserved.eq_ignore_ascii_case(word))
}

impl Parser {
    // --- tokens -----------------------------------------------------------------------------------------------------

    fn peek(&self) -> &Token {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> &Token {
        self.tokens.get(self.next + ahead).map_or(&Token::End, |(_, token)| token)
    }

    fn at(&self) -> At {
        self.tokens.get(self.next).or(self.tokens.last()).map_or(At::default(), |(at, _)| *at)
    }

    fn advance(&mut self) -> Token {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    fn word_at(&self, ahead: usize, word: &str) -> bool {
        matches!(self.peek_at(ahead), Token::Word(found) if found.eq_ignore_ascii_case(word))
    }

    fn is_word(&self, word: &str) -> bool {
        self.word_at(0, word)
    }

    fn symbol_at(&self, ahead: usize, symbol: &str) -> bool {
        matches!(self.peek_at(ahead), Token::Symbol(found) if *found == symbol)
    }

    fn is_symbol(&self, symbol: &str) -> bool {
        self.symbol_at(0, symbol)
    }

    fn accept(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.next += usize::from(found);
        found
    }

    fn accept_all(&mut self, words: &[&str]) -> bool {
        let found = words.iter().enumerate().all(|(ahead, word)| self.word_at(ahead, word));
        self.next += if found { words.len() } else { 0 };
        found
    }

    fn accept_symbol(&mut self, symbol: &str) -> bool {
        let found = self.is_symbol(symbol);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, word: &str) -> Parsed<()> {
        if self.accept(word) { Ok(()) } else { Err(self.unexpected(word)) }
    }

    fn expect_symbol(&mut self, symbol: &str) -> Parsed<()> {
        if self.accept_symbol(symbol) { Ok(()) } else { Err(self.unexpected(&format!("'{symbol}'"))) }
    }

    fn unexpected(&self, wanted: &str) -> QueryError {
        let found = match self.peek() {
            Token::Word(word) => format!("'{word}'"),
            Token::Quoted(name) => format!("\"{name}\""),
            Token::Integer(text) | Token::Decimal(text) | Token::Double(text) => format!("'{text}'"),
            Token::Text(text) | Token::UnicodeText(text) => format!("the text '{text}'"),
            Token::Binary(_) => "a binary literal".to_owned(),
            Token::Symbol(symbol) => format!("'{symbol}'"),
            Token::End => "the end".to_owned(),
        };
        let remedy = match self.peek() {
            Token::Word(word) if word.eq_ignore_ascii_case("ILIKE") || word.eq_ignore_ascii_case("RLIKE") => {
                "; write lower(x) LIKE with the pattern in lower case"
            }
            Token::Symbol("=") => "; write one = for equality",
            _ => "",
        };
        QueryError::Invalid(format!("{}: found {found}, expected {wanted}{remedy}", self.at()))
    }

    fn name(&mut self) -> Parsed<Name> {
        match self.peek().clone() {
            Token::Quoted(text) => {
                self.next += 1;
                Ok(Name { text, quoted: true })
            }
            Token::Word(text) if !is_reserved(&text) => {
                self.next += 1;
                Ok(Name { text, quoted: false })
            }
            Token::Word(text) => Err(QueryError::Invalid(format!(
                "{}: '{text}' is a reserved word; as a name it needs double quotes",
                self.at()
            ))),
            _ => Err(self.unexpected("a name")),
        }
    }

    fn qualified_name(&mut self) -> Parsed<Vec<Name>> {
        let mut names = vec![self.name()?];
        while self.accept_symbol(".") {
            names.push(self.name()?);
        }
        Ok(names)
    }

    fn list<T>(&mut self, item: impl Fn(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.accept_symbol(",") {
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn in_parentheses<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.expect_symbol("(")?;
        let value = inner(self)?;
        self.expect_symbol(")")?;
        Ok(value)
    }

    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.fits(1)?;
        self.depth += 1;
        let value = inner(self);
        self.depth -= 1;
        value
    }

    /// Refuses a tree that is `levels` deeper than the place that is read. Operators one after the other, as in `a[1][2][3]`,
    /// make a tree as deep as parentheses do.
    fn fits(&self, levels: usize) -> Parsed<()> {
        if self.depth + levels > MAX_DEPTH { Err(too_deep(self.at())) } else { Ok(()) }
    }

    fn integer(&mut self) -> Parsed<u64> {
        match self.peek() {
            Token::Integer(digits) => {
                let value = digits.parse();
                let value =
                    value.map_err(|_| QueryError::Invalid(format!("{}: the number is too large", self.at())))?;
                self.next += 1;
                Ok(value)
            }
            _ => Err(self.unexpected("a number")),
        }
    }

    // --- queries ----------------------------------------------------------------------------------------------------

    fn query(&mut self) -> Parsed<Query> {
        self.deeper(Self::query_inner)
    }

    fn query_inner(&mut self) -> Parsed<Query> {
        let mut with = Vec::new();
        if self.is_word("WITH") && (self.word_at(1, "FUNCTION") || self.word_at(1, "SESSION")) {
            return unsupported("WITH FUNCTION", "write the expression where it is used");
        }
        if self.accept("WITH") {
            if self.accept("RECURSIVE") {
                return unsupported("WITH RECURSIVE", "write the steps out, one common table for each");
            }
            with = self.list(|parser| {
                let name = parser.name()?;
                let columns = parser.column_aliases()?;
                parser.expect("AS")?;
                let query = parser.in_parentheses(Self::query)?;
                Ok(CommonTable { name, columns, query })
            })?;
        }
        let body = self.set_operation()?;
        let order_by = if self.accept_all(&["ORDER", "BY"]) { self.list(Self::sort_item)? } else { Vec::new() };
        let mut offset = 0;
        if self.accept("OFFSET") {
            offset = self.integer()?;
            let _ = self.accept("ROW") || self.accept("ROWS");
        }
        let mut limit = None;
        let mut with_ties = false;
        if self.accept("LIMIT") {
            if !self.accept("ALL") {
                limit = Some(self.integer()?);
            }
            if self.is_word("OFFSET") {
                return Err(QueryError::Invalid(format!("{}: OFFSET stands before LIMIT", self.at())));
            }
        } else if self.accept("FETCH") {
            if !self.accept("FIRST") {
                self.expect("NEXT")?;
            }
            limit = Some(if matches!(self.peek(), Token::Integer(_)) { self.integer()? } else { 1 });
            if !self.accept("ROW") {
                self.expect("ROWS")?;
            }
            if !self.accept("ONLY") {
                if !self.accept_all(&["WITH", "TIES"]) {
                    return Err(self.unexpected("ONLY or WITH TIES"));
                }
                with_ties = true;
            }
        }
        Ok(Query { with, body, order_by, offset, limit, with_ties })
    }

    fn sort_item(&mut self) -> Parsed<SortItem> {
        let expression = self.expression()?;
        let descending = !self.accept("ASC") && self.accept("DESC");
        let mut nulls_first = false;
        if self.accept("NULLS") {
            nulls_first = self.accept("FIRST");
            if !nulls_first {
                self.expect("LAST")?;
            }
        }
        Ok(SortItem { expression, descending, nulls_first })
    }

    fn set_operation(&mut self) -> Parsed<Body> {
        self.set_operators(Self::intersection, |parser| {
            if parser.accept("UNION") {
                Some(SetOperator::Union)
            } else {
                parser.accept("EXCEPT").then_some(SetOperator::Except)
            }
        })
    }

    fn intersection(&mut self) -> Parsed<Body> {
        let operator = |parser: &mut Self| parser.accept("INTERSECT").then_some(SetOperator::Intersect);
        self.set_operators(Self::query_primary, operator)
    }

    /// Operators of one rank with what stands between them.
    fn set_operators(
        &mut self,
        operand: impl Fn(&mut Self) -> Parsed<Body>,
        operator: impl Fn(&mut Self) -> Option<SetOperator>,
    ) -> Parsed<Body> {
        let first = operand(self)?;
        let mut rest = Vec::new();
        loop {
            let at = self.at();
            let Some(operator) = operator(self) else { break };
            let distinct = self.set_quantifier()?;
            rest.push(SetOperation { at, operator, distinct, right: operand(self)? });
        }
        Ok(if rest.is_empty() { first } else { Body::Sets(Box::new(first), rest) })
    }

    /// `ALL` or `DISTINCT`; whether rows are to be distinct.
    fn set_quantifier(&mut self) -> Parsed<bool> {
        let distinct = self.accept("DISTINCT") || !self.accept("ALL");
        if self.is_word("CORRESPONDING") {
            return unsupported("CORRESPONDING", "name the columns in both queries in the same order");
        }
        Ok(distinct)
    }

    fn query_primary(&mut self) -> Parsed<Body> {
        let at = self.at();
        if self.accept("SELECT") {
            return self.select(at);
        }
        if self.accept("TABLE") {
            return Ok(Body::Table(at, self.qualified_name()?));
        }
        if self.accept("VALUES") {
            return Ok(Body::Values(at, self.list(Self::expression)?));
        }
        if self.is_symbol("(") {
            let query = self.in_parentheses(|parser| parser.deeper(Self::query_without_with))?;
            return Ok(Body::Query(Box::new(query)));
        }
        Err(self.unexpected("SELECT, VALUES, TABLE or '('"))
    }

    fn query_without_with(&mut self) -> Parsed<Query> {
        if self.is_word("WITH") {
            return Err(self.unexpected("SELECT"));
        }
        self.query_inner()
    }

    fn select(&mut self, at: At) -> Parsed<Body> {
        let distinct = !self.accept("ALL") && self.accept("DISTINCT");
        let items = self.list(Self::select_item)?;
        let from = if self.accept("FROM") { Some(self.relations()?) } else { None };
        let filter = if self.accept("WHERE") { Some(self.expression()?) } else { None };
        let group_by = if self.accept_all(&["GROUP", "BY"]) { Some(self.group_by()?) } else { None };
        let having = if self.accept("HAVING") { Some(self.expression()?) } else { None };
        let windows = if self.is_word("WINDOW") && self.word_at(2, "AS") {
            self.next += 1;
            self.list(|parser| {
                let name = parser.name()?;
                parser.expect("AS")?;
                Ok((name, parser.window()?))
            })?
        } else {
            Vec::new()
        };
        Ok(Body::Select(Box::new(Select { at, distinct, items, from, filter, group_by, having, windows })))
    }

    fn select_item(&mut self) -> Parsed<SelectItem> {
        let at = self.at();
        if self.accept_symbol("*") {
            return Ok(SelectItem::All(at));
        }
        let expression = self.expression()?;
        if self.is_symbol(".") && self.symbol_at(1, "*") {
            self.next += 2;
            let names = if self.accept("AS") { self.column_aliases()? } else { None };
            return Ok(SelectItem::AllOf(expression, names));
        }
        let alias = if self.accept("AS") || self.starts_alias() { Some(self.name()?) } else { None };
        Ok(SelectItem::Expression(expression, alias))
    }

    fn starts_alias(&self) -> bool {
        match self.peek() {
            Token::Quoted(_) => true,
            Token::Word(word) => !is_reserved(word),
            _ => false,
        }
    }

    fn group_by(&mut self) -> Parsed<GroupBy> {
        let distinct = self.accept("DISTINCT");
        if !distinct {
            self.accept("ALL");
        }
        let elements = self.list(|parser| {
            if parser.accept("ROLLUP") {
                return Ok(GroupingElement::Rollup(parser.in_parentheses(|parser| parser.list(Self::grouping_set))?));
            }
            if parser.accept("CUBE") {
                return Ok(GroupingElement::Cube(parser.in_parentheses(|parser| parser.list(Self::grouping_set))?));
            }
            if parser.accept_all(&["GROUPING", "SETS"]) {
                return Ok(GroupingElement::Sets(parser.in_parentheses(|parser| parser.list(Self::grouping_set))?));
            }
            parser.grouping_set().map(GroupingElement::Simple)
        })?;
        Ok(GroupBy { distinct, elements })
    }

    fn grouping_set(&mut self) -> Parsed<Vec<Expression>> {
        if self.is_symbol("(") && self.symbol_at(1, ")") {
            self.next += 2;
            return Ok(Vec::new());
        }
        let expression = self.expression()?;
        Ok(match expression.kind {
            Kind::Row(items) => items,
            _ => vec![expression],
        })
    }

    // --- relations --------------------------------------------------------------------------------------------------

    fn relations(&mut self) -> Parsed<Relation> {
        let mut left = self.relation()?;
        loop {
            let at = self.at();
            if !self.accept_symbol(",") {
                return Ok(left);
            }
            self.count_join(at)?;
            let right = self.relation()?;
            left = Relation::Join {
                at,
                kind: JoinKind::Cross,
                left: Box::new(left),
                right: Box::new(right),
                criteria: Criteria::None,
            };
        }
    }

    /// Counts a join, which is a level of the tree and of the plan.
    fn count_join(&mut self, at: At) -> Parsed<()> {
        self.joins += 1;
        if self.joins > MAX_JOINS { Err(too_many_joins(at)) } else { Ok(()) }
    }

    fn relation(&mut self) -> Parsed<Relation> {
        let mut left = self.aliased_relation()?;
        loop {
            let at = self.at();
            if self.accept_all(&["CROSS", "JOIN"]) {
                self.count_join(at)?;
                let right = self.aliased_relation()?;
                let (kind, criteria) = (JoinKind::Cross, Criteria::None);
                left = Relation::Join { at, kind, left: Box::new(left), right: Box::new(right), criteria };
                continue;
            }
            let natural = self.accept("NATURAL");
            let kind = if self.accept("LEFT") {
                self.accept("OUTER");
                JoinKind::Left
            } else if self.accept("RIGHT") {
                self.accept("OUTER");
                JoinKind::Right
            } else if self.accept("FULL") {
                self.accept("OUTER");
                JoinKind::Full
            } else if self.is_word("JOIN") || self.is_word("INNER") {
                self.accept("INNER");
                JoinKind::Inner
            } else if natural {
                return Err(self.unexpected("JOIN"));
            } else {
                return Ok(left);
            };
            self.expect("JOIN")?;
            self.count_join(at)?;
            let (right, criteria) = if natural {
                (self.aliased_relation()?, Criteria::Natural)
            } else {
                let right = self.deeper(Self::relation)?;
                if self.accept("ON") {
                    (right, Criteria::On(self.expression()?))
                } else if self.accept("USING") {
                    (right, Criteria::Using(self.in_parentheses(|parser| parser.list(Self::name))?))
                } else {
                    return Err(self.unexpected("ON or USING"));
                }
            };
            left = Relation::Join { at, kind, left: Box::new(left), right: Box::new(right), criteria };
        }
    }

    fn aliased_relation(&mut self) -> Parsed<Relation> {
        let relation = self.relation_primary()?;
        if self.is_word("MATCH_RECOGNIZE") {
            return unsupported(
                "MATCH_RECOGNIZE",
                "use window functions over the rows in order, as lag, lead and sum OVER (… RANGE …)",
            );
        }
        let relation = if self.accept("AS") || self.starts_relation_alias() {
            let name = self.name()?;
            let columns = self.column_aliases()?;
            Relation::Alias(Box::new(relation), name, columns)
        } else {
            relation
        };
        if self.is_word("MATCH_RECOGNIZE") {
            return unsupported("MATCH_RECOGNIZE", "use window functions over the rows in order");
        }
        if self.is_word("TABLESAMPLE") {
            return unsupported("TABLESAMPLE", "filter by a hash or a window of time");
        }
        Ok(relation)
    }

    fn starts_relation_alias(&self) -> bool {
        if !self.starts_alias() || self.is_word("TABLESAMPLE") || self.is_word("MATCH_RECOGNIZE") {
            return false;
        }
        // Words that are not reserved and can follow a relation all the same.
        let follows = ["LIMIT", "OFFSET", "FETCH", "WINDOW"];
        match self.peek() {
            Token::Word(word) if follows.iter().any(|follow| follow.eq_ignore_ascii_case(word)) => {
                // `FROM t limit 5` has no alias, `FROM t window WHERE …` has one.
                match (word.to_uppercase().as_str(), self.peek_at(1)) {
                    ("LIMIT", Token::Integer(_)) | ("OFFSET", Token::Integer(_)) => false,
                    ("LIMIT", Token::Word(next)) => !next.eq_ignore_ascii_case("ALL"),
                    ("FETCH", Token::Word(next)) => {
                        !next.eq_ignore_ascii_case("FIRST") && !next.eq_ignore_ascii_case("NEXT")
                    }
                    ("WINDOW", Token::Word(_) | Token::Quoted(_)) => !self.word_at(2, "AS"),
                    _ => true,
                }
            }
            _ => true,
        }
    }

    fn column_aliases(&mut self) -> Parsed<Option<Vec<Name>>> {
        if !self.is_symbol("(") {
            return Ok(None);
        }
        self.in_parentheses(|parser| parser.list(Self::name)).map(Some)
    }

    fn relation_primary(&mut self) -> Parsed<Relation> {
        let at = self.at();
        if self.accept("UNNEST") {
            let arrays = self.in_parentheses(|parser| parser.list(Self::expression))?;
            let ordinality = self.accept_all(&["WITH", "ORDINALITY"]);
            return Ok(Relation::Unnest { at, arrays, ordinality });
        }
        if self.is_word("LATERAL") && self.symbol_at(1, "(") {
            self.next += 1;
            self.in_parentheses(Self::query)?;
            return Ok(Relation::Lateral(at));
        }
        if self.is_word("JSON_TABLE") {
            return unsupported("JSON_TABLE", "use json_extract with CROSS JOIN UNNEST(CAST(… AS array(json)))");
        }
        if self.is_word("TABLE") && self.symbol_at(1, "(") {
            return unsupported("TABLE(function)", "for numbers use UNNEST(sequence(…))");
        }
        if self.is_symbol("(") {
            return self.deeper(|parser| {
                // `((SELECT …))` and `((SELECT …) AS a JOIN …)` begin alike.
                if parser.is_query_in_parentheses() {
                    let query = parser.in_parentheses(Self::query)?;
                    return Ok(Relation::Query(Box::new(query)));
                }
                parser.in_parentheses(Self::relations_of_join)
            });
        }
        let name = self.qualified_name()?;
        if self.is_symbol("(") {
            return Err(self.unexpected("an alias; functions of tables stand in TABLE(…)"));
        }
        if self.is_word("FOR") && (self.word_at(1, "TIMESTAMP") || self.word_at(1, "VERSION")) {
            return unsupported("time travel (FOR TIMESTAMP AS OF)", "filter by a column of time");
        }
        Ok(Relation::Table(at, name))
    }

    fn relations_of_join(&mut self) -> Parsed<Relation> {
        self.relation()
    }

    // --- windows ----------------------------------------------------------------------------------------------------

    fn window(&mut self) -> Parsed<Window> {
        self.in_parentheses(|parser| {
            let mut window = Window::default();
            let starts_clause = (parser.is_word("PARTITION") && parser.word_at(1, "BY"))
                || parser.is_word("ORDER")
                || ["ROWS", "RANGE", "GROUPS"].iter().any(|units| parser.is_word(units) && !parser.symbol_at(1, ")"));
            if !starts_clause && !parser.is_symbol(")") {
                window.base = Some(parser.name()?);
            }
            if parser.accept_all(&["PARTITION", "BY"]) {
                window.partition_by = parser.list(Self::expression)?;
            }
            if parser.accept_all(&["ORDER", "BY"]) {
                window.order_by = parser.list(Self::sort_item)?;
            }
            let units = if parser.accept("ROWS") {
                Some(FrameUnits::Rows)
            } else if parser.accept("RANGE") {
                Some(FrameUnits::Range)
            } else if parser.accept("GROUPS") {
                Some(FrameUnits::Groups)
            } else {
                None
            };
            if let Some(units) = units {
                let between = parser.accept("BETWEEN");
                let start = parser.bound()?;
                let end = if between {
                    parser.expect("AND")?;
                    Some(parser.bound()?)
                } else {
                    None
                };
                window.frame = Some(Frame { units, start, end });
            }
            for word in ["MEASURES", "PATTERN", "AFTER", "INITIAL", "SEEK", "SUBSET", "DEFINE"] {
                if parser.is_word(word) {
                    return unsupported("row pattern recognition in a window", "use lag, lead and sums over frames");
                }
            }
            Ok(window)
        })
    }

    fn bound(&mut self) -> Parsed<Bound> {
        if self.accept("UNBOUNDED") {
            if self.accept("PRECEDING") {
                return Ok(Bound::UnboundedPreceding);
            }
            self.expect("FOLLOWING")?;
            return Ok(Bound::UnboundedFollowing);
        }
        if self.accept_all(&["CURRENT", "ROW"]) {
            return Ok(Bound::CurrentRow);
        }
        let expression = self.expression()?;
        if self.accept("PRECEDING") {
            return Ok(Bound::Preceding(expression));
        }
        self.expect("FOLLOWING")?;
        Ok(Bound::Following(expression))
    }

    // --- expressions ------------------------------------------------------------------------------------------------

    fn expression(&mut self) -> Parsed<Expression> {
        self.deeper(Self::disjunction)
    }

    fn boxed(&mut self) -> Parsed<Box<Expression>> {
        self.expression().map(Box::new)
    }

    fn disjunction(&mut self) -> Parsed<Expression> {
        let at = self.at();
        let first = self.conjunction()?;
        if !self.is_word("OR") {
            return Ok(first);
        }
        let mut terms = vec![first];
        while self.accept("OR") {
            terms.push(self.conjunction()?);
        }
        Ok(Expression { at, kind: Kind::Or(terms) })
    }

    fn conjunction(&mut self) -> Parsed<Expression> {
        let at = self.at();
        let first = self.negation()?;
        if !self.is_word("AND") {
            return Ok(first);
        }
        let mut terms = vec![first];
        while self.accept("AND") {
            terms.push(self.negation()?);
        }
        Ok(Expression { at, kind: Kind::And(terms) })
    }

    fn negation(&mut self) -> Parsed<Expression> {
        let at = self.at();
        if self.accept("NOT") {
            let inner = self.deeper(Self::negation)?;
            return Ok(Expression { at, kind: Kind::Not(Box::new(inner)) });
        }
        self.predicate()
    }

    fn predicate(&mut self) -> Parsed<Expression> {
        let mut left = self.value()?;
        for levels in 0.. {
            self.fits(levels)?;
            let at = self.at();
            let comparison = match self.peek() {
                Token::Symbol("=") => Some(Comparison::Equal),
                Token::Symbol("<>" | "!=") => Some(Comparison::NotEqual),
                Token::Symbol("<") => Some(Comparison::Less),
                Token::Symbol("<=") => Some(Comparison::LessOrEqual),
                Token::Symbol(">") => Some(Comparison::Greater),
                Token::Symbol(">=") => Some(Comparison::GreaterOrEqual),
                _ => None,
            };
            if let Some(comparison) = comparison {
                self.next += 1;
                let quantified = ["ALL", "SOME", "ANY"].iter().any(|word| self.is_word(word)) && self.symbol_at(1, "(");
                let kind = if quantified {
                    let all = self.is_word("ALL");
                    self.next += 1;
                    let query = Box::new(self.in_parentheses(Self::query)?);
                    Kind::CompareQuantified { comparison, all, value: Box::new(left), query }
                } else {
                    Kind::Compare(comparison, Box::new(left), Box::new(self.value()?))
                };
                left = Expression { at, kind };
                continue;
            }
            if self.accept("IS") {
                let negated = self.accept("NOT");
                let kind = if self.accept("NULL") {
                    Kind::IsNull(Box::new(left), negated)
                } else if self.accept_all(&["DISTINCT", "FROM"]) {
                    Kind::IsDistinct { left: Box::new(left), right: Box::new(self.value()?), negated }
                } else {
                    return Err(self.unexpected("NULL or DISTINCT FROM"));
                };
                left = Expression { at, kind };
                continue;
            }
            let negated = self.is_word("NOT") && ["BETWEEN", "IN", "LIKE"].iter().any(|word| self.word_at(1, word));
            self.next += usize::from(negated);
            let kind = if self.accept("BETWEEN") {
                let low = self.value()?;
                self.expect("AND")?;
                let high = self.value()?;
                Kind::Between { value: Box::new(left), low: Box::new(low), high: Box::new(high), negated }
            } else if self.accept("IN") {
                let is_query = self.is_query_in_parentheses();
                self.expect_symbol("(")?;
                let kind = if is_query {
                    Kind::InQuery { value: Box::new(left), query: Box::new(self.query()?), negated }
                } else {
                    Kind::InList { value: Box::new(left), list: self.list(Self::expression)?, negated }
                };
                self.expect_symbol(")")?;
                kind
            } else if self.accept("LIKE") {
                let pattern = Box::new(self.value()?);
                let escape = if self.accept("ESCAPE") { Some(Box::new(self.value()?)) } else { None };
                Kind::Like { value: Box::new(left), pattern, escape, negated }
            } else {
                return Ok(left);
            };
            left = Expression { at, kind };
        }
        Ok(left)
    }

    /// Whether the parenthesis that opens here holds a query, not an expression or a join that begins with one. Told from
    /// what follows each parenthesis within: to try and to go back would take twice as long for each level.
    fn is_query_in_parentheses(&self) -> bool {
        let mut first = self.next;
        while matches!(self.tokens.get(first), Some((_, Token::Symbol("(")))) {
            first += 1;
        }
        let word = first - self.next;
        if word == 0 || !QUERY.iter().any(|query| self.word_at(word, query)) {
            return false;
        }
        (self.next + 1..first).all(|open| match self.tokens.get(self.closing[open] + 1) {
            None => true,
            Some((_, token)) => match token {
                Token::Symbol(")") | Token::End => true,
                Token::Word(word) => ["UNION", "EXCEPT", "INTERSECT", "ORDER", "LIMIT", "OFFSET", "FETCH"]
                    .iter()
                    .any(|follows| follows.eq_ignore_ascii_case(word)),
                _ => false,
            },
        })
    }

    /// Concatenations, of sums, of products: Trino's grammar ranks them in this order.
    fn value(&mut self) -> Parsed<Expression> {
        self.chain(Self::sum, &[("||", LinkOperator::Concat)])
    }

    fn sum(&mut self) -> Parsed<Expression> {
        use Arithmetic::{Add, Subtract};
        self.chain(Self::product, &[("+", LinkOperator::Arithmetic(Add)), ("-", LinkOperator::Arithmetic(Subtract))])
    }

    fn product(&mut self) -> Parsed<Expression> {
        use Arithmetic::{Divide, Modulus, Multiply};
        self.chain(
            Self::signed,
            &[
                ("*", LinkOperator::Arithmetic(Multiply)),
                ("/", LinkOperator::Arithmetic(Divide)),
                ("%", LinkOperator::Arithmetic(Modulus)),
            ],
        )
    }

    /// Operators of one rank with what stands between them.
    fn chain(
        &mut self,
        operand: impl Fn(&mut Self) -> Parsed<Expression>,
        operators: &[(&str, LinkOperator)],
    ) -> Parsed<Expression> {
        let first = operand(self)?;
        let mut links = Vec::new();
        loop {
            let at = self.at();
            let Some((_, operator)) = operators.iter().find(|(symbol, _)| self.accept_symbol(symbol)) else { break };
            links.push(Link { at, operator: *operator, right: operand(self)? });
        }
        Ok(match links.last() {
            None => first,
            Some(last) => Expression { at: last.at, kind: Kind::Chain(Box::new(first), links) },
        })
    }

    fn signed(&mut self) -> Parsed<Expression> {
        let at = self.at();
        if self.accept_symbol("-") {
            let inner = self.deeper(Self::signed)?;
            return Ok(Expression { at, kind: Kind::Negate(Box::new(inner)) });
        }
        if self.accept_symbol("+") {
            return self.deeper(Self::signed);
        }
        let mut value = self.postfix()?;
        let mut levels = 0;
        while self.is_word("AT") && self.word_at(1, "TIME") && self.word_at(2, "ZONE") {
            levels += 1;
            self.fits(levels)?;
            let at = self.at();
            self.next += 3;
            let zone = self.postfix()?;
            value = Expression { at, kind: Kind::AtTimeZone(Box::new(value), Box::new(zone)) };
        }
        Ok(value)
    }

    fn postfix(&mut self) -> Parsed<Expression> {
        let mut value = self.primary()?;
        for levels in 0.. {
            self.fits(levels)?;
            if self.accept_symbol("[") {
                let index = self.expression()?;
                self.expect_symbol("]")?;
                value = Expression { at: value.at, kind: Kind::Subscript(Box::new(value), Box::new(index)) };
            } else if self.is_symbol(".") && !self.symbol_at(1, "*") {
                self.next += 1;
                let name = self.field_name()?;
                value = Expression { at: value.at, kind: Kind::Field(Box::new(value), name) };
            } else {
                break;
            }
        }
        Ok(value)
    }

    /// A name after a point. Trino's grammar does not take a reserved word here either.
    fn field_name(&mut self) -> Parsed<Name> {
        self.name()
    }

    fn primary(&mut self) -> Parsed<Expression> {
        let at = self.at();
        let expression = |kind| Ok(Expression { at, kind });
        match self.peek().clone() {
            Token::Integer(digits) => {
                self.next += 1;
                expression(Kind::Integer(digits))
            }
            Token::Decimal(digits) => {
                self.next += 1;
                expression(Kind::Decimal(digits))
            }
            Token::Double(digits) => {
                self.next += 1;
                expression(Kind::Double(digits))
            }
            Token::Text(text) => {
                self.next += 1;
                expression(Kind::Text(text))
            }
            Token::UnicodeText(text) => {
                self.next += 1;
                let mut escape = '\\';
                if self.accept("UESCAPE") {
                    match self.advance() {
                        Token::Text(text) if text.chars().count() == 1 => escape = text.chars().next().unwrap_or('\\'),
                        _ => return Err(QueryError::Invalid(format!("{at}: UESCAPE takes one character"))),
                    }
                }
                let text = unescape(&text, escape)
                    .ok_or_else(|| QueryError::Invalid(format!("{at}: the escapes of the text are not valid")))?;
                expression(Kind::Text(text))
            }
            Token::Binary(bytes) => {
                self.next += 1;
                expression(Kind::Binary(bytes))
            }
            Token::Quoted(_) => self.name_or_call(at),
            Token::Word(word) => self.word_primary(at, &word),
            Token::Symbol("(") => self.parenthesized(at),
            _ => Err(self.unexpected("an expression")),
        }
    }

    fn parenthesized(&mut self, at: At) -> Parsed<Expression> {
        if let Some(parameters) = self.lambda_parameters() {
            let body = self.boxed()?;
            return Ok(Expression { at, kind: Kind::Lambda(parameters, body) });
        }
        if self.is_query_in_parentheses() {
            let query = self.in_parentheses(Self::query)?;
            return Ok(Expression { at, kind: Kind::Subquery(Box::new(query)) });
        }
        self.next += 1;
        let mut items = self.list(Self::expression)?;
        self.expect_symbol(")")?;
        match items.len() {
            1 => items.pop().ok_or_else(|| self.unexpected("an expression")),
            _ => Ok(Expression { at, kind: Kind::Row(items) }),
        }
    }

    /// `(a, b) ->` and `() ->`, consumed if they stand here.
    fn lambda_parameters(&mut self) -> Option<Vec<Name>> {
        let mut ahead = 1;
        let mut names = Vec::new();
        if !self.symbol_at(1, ")") {
            loop {
                let name = match self.peek_at(ahead) {
                    Token::Word(text) if !is_reserved(text) => Name { text: text.clone(), quoted: false },
                    Token::Quoted(text) => Name { text: text.clone(), quoted: true },
                    _ => return None,
                };
                names.push(name);
                ahead += 1;
                if self.symbol_at(ahead, ")") {
                    break;
                }
                if !self.symbol_at(ahead, ",") {
                    return None;
                }
                ahead += 1;
            }
        }
        if !self.symbol_at(ahead + 1, "->") {
            return None;
        }
        self.next += ahead + 2;
        Some(names)
    }

    fn word_primary(&mut self, at: At, word: &str) -> Parsed<Expression> {
        let expression = |kind| Ok(Expression { at, kind });
        let upper = word.to_uppercase();
        match upper.as_str() {
            "NULL" => {
                self.next += 1;
                return expression(Kind::Null);
            }
            "TRUE" | "FALSE" => {
                self.next += 1;
                return expression(Kind::Boolean(upper == "TRUE"));
            }
            "CASE" => return self.case(at),
            "CAST" | "TRY_CAST" if self.symbol_at(1, "(") => {
                self.next += 2;
                let value = self.boxed()?;
                self.expect("AS")?;
                let (target, length) = self.type_with_length()?;
                self.expect_symbol(")")?;
                return expression(Kind::Cast { value, target, length, safe: upper == "TRY_CAST" });
            }
            "EXISTS" if self.symbol_at(1, "(") => {
                self.next += 1;
                let query = self.in_parentheses(Self::query)?;
                return expression(Kind::Exists(Box::new(query)));
            }
            "ARRAY" if self.symbol_at(1, "[") => {
                self.next += 2;
                let items = if self.is_symbol("]") { Vec::new() } else { self.list(Self::expression)? };
                self.expect_symbol("]")?;
                return expression(Kind::Array(items));
            }
            "ROW" if self.symbol_at(1, "(") => {
                self.next += 1;
                let items = self.in_parentheses(|parser| parser.list(Self::expression))?;
                return expression(Kind::Row(items));
            }
            "EXTRACT" if self.symbol_at(1, "(") => {
                self.next += 2;
                let field = self.name()?.text.to_uppercase();
                self.expect("FROM")?;
                let value = self.boxed()?;
                self.expect_symbol(")")?;
                return expression(Kind::Extract(field, value));
            }
            "POSITION" if self.symbol_at(1, "(") => {
                self.next += 2;
                let needle = self.value()?;
                self.expect("IN")?;
                let text = self.value()?;
                self.expect_symbol(")")?;
                return expression(call("strpos", vec![text, needle]));
            }
            "SUBSTRING" if self.symbol_at(1, "(") => {
                self.next += 2;
                let mut arguments = vec![self.expression()?];
                if self.accept("FROM") {
                    arguments.push(self.expression()?);
                    if self.accept("FOR") {
                        arguments.push(self.expression()?);
                    }
                } else {
                    while self.accept_symbol(",") {
                        arguments.push(self.expression()?);
                    }
                }
                self.expect_symbol(")")?;
                return expression(call("substr", arguments));
            }
            "TRIM" if self.symbol_at(1, "(") => {
                self.next += 2;
                let side = ["LEADING", "TRAILING", "BOTH"].into_iter().find(|side| self.accept(side));
                let function = match side {
                    Some("LEADING") => "ltrim",
                    Some("TRAILING") => "rtrim",
                    _ => "trim",
                };
                let arguments = if side.is_some() && self.accept("FROM") {
                    vec![self.expression()?]
                } else {
                    let first = self.expression()?;
                    if self.accept("FROM") {
                        vec![self.expression()?, first]
                    } else if side.is_none() && self.accept_symbol(",") {
                        vec![first, self.expression()?]
                    } else {
                        vec![first]
                    }
                };
                self.expect_symbol(")")?;
                return expression(call(function, arguments));
            }
            "LISTAGG" if self.symbol_at(1, "(") => return self.listagg(at),
            "GROUPING" if self.symbol_at(1, "(") => {
                self.next += 1;
                let items = self.in_parentheses(|parser| parser.list(Self::expression))?;
                return expression(Kind::Grouping(items));
            }
            "CURRENT_DATE" => {
                self.next += 1;
                return expression(Kind::CurrentDate);
            }
            "CURRENT_TIMESTAMP" | "LOCALTIMESTAMP" => {
                self.next += 1;
                let digits = if self.is_symbol("(") { self.in_parentheses(Self::precision)? } else { 3 };
                return expression(match upper.as_str() {
                    "CURRENT_TIMESTAMP" => Kind::CurrentTimestamp(digits),
                    _ => Kind::LocalTimestamp(digits),
                });
            }
            "CURRENT_TIME" | "LOCALTIME" => {
                return unsupported("type time", "use timestamps");
            }
            "CURRENT_USER" | "CURRENT_ROLE" | "CURRENT_CATALOG" | "CURRENT_SCHEMA" | "CURRENT_PATH" => {
                return unsupported(upper, "write the value");
            }
            "NORMALIZE" | "JSON_ARRAY" | "JSON_OBJECT" => {
                return unsupported(format!("function {}", upper.to_lowercase()), "build the value by other functions");
            }
            "JSON_EXISTS" | "JSON_QUERY" | "JSON_VALUE" => {
                return unsupported(
                    format!("function {}", upper.to_lowercase()),
                    "use json_extract or json_extract_scalar",
                );
            }
            "INTERVAL" if matches!(self.peek_at(1), Token::Text(_) | Token::Symbol("+" | "-")) => {
                return self.interval(at);
            }
            "DOUBLE" if self.word_at(1, "PRECISION") && matches!(self.peek_at(2), Token::Text(_)) => {
                self.next += 2;
                let Token::Text(text) = self.advance() else { return Err(self.unexpected("a text")) };
                return expression(Kind::Typed(TypedLiteral::Other(Type::Double), text));
            }
            _ => {}
        }
        if let (Token::Text(text), false) = (self.peek_at(1).clone(), is_reserved(word)) {
            self.next += 2;
            let literal = match upper.as_str() {
                "TIMESTAMP" => TypedLiteral::Timestamp,
                _ => TypedLiteral::Other(simple_type(&upper).ok_or_else(|| unknown_type(at, &upper))??),
            };
            return expression(Kind::Typed(literal, text));
        }
        self.name_or_call(at)
    }

    fn precision(&mut self) -> Parsed<u8> {
        let digits = self.integer()?;
        u8::try_from(digits)
            .ok()
            .filter(|digits| *digits <= 9)
            .map_or_else(|| unsupported(format!("precision {digits} of a time"), "use at most 9 digits"), Ok)
    }

    fn case(&mut self, at: At) -> Parsed<Expression> {
        self.next += 1;
        let operand = if self.is_word("WHEN") { None } else { Some(self.boxed()?) };
        let mut branches = Vec::new();
        while self.accept("WHEN") {
            let condition = self.expression()?;
            self.expect("THEN")?;
            branches.push((condition, self.expression()?));
        }
        if branches.is_empty() {
            return Err(self.unexpected("WHEN"));
        }
        let otherwise = if self.accept("ELSE") { Some(self.boxed()?) } else { None };
        self.expect("END")?;
        Ok(Expression { at, kind: Kind::Case { operand, branches, otherwise } })
    }

    fn interval(&mut self, at: At) -> Parsed<Expression> {
        self.next += 1;
        let negative = self.accept_symbol("-");
        if !negative {
            self.accept_symbol("+");
        }
        let Token::Text(text) = self.advance() else {
            self.next -= 1;
            return Err(self.unexpected("a text"));
        };
        let from = self.interval_field()?;
        let to = if self.accept("TO") { Some(self.interval_field()?) } else { None };
        Ok(Expression { at, kind: Kind::Interval { text, negative, from, to } })
    }

    fn interval_field(&mut self) -> Parsed<IntervalField> {
        let fields = [
            ("YEAR", IntervalField::Year),
            ("MONTH", IntervalField::Month),
            ("DAY", IntervalField::Day),
            ("HOUR", IntervalField::Hour),
            ("MINUTE", IntervalField::Minute),
            ("SECOND", IntervalField::Second),
        ];
        for (word, field) in fields {
            if self.accept(word) {
                return Ok(field);
            }
        }
        Err(self.unexpected("YEAR, MONTH, DAY, HOUR, MINUTE or SECOND"))
    }

    fn listagg(&mut self, at: At) -> Parsed<Expression> {
        self.next += 2;
        let distinct = !self.accept("ALL") && self.accept("DISTINCT");
        let mut arguments = vec![self.expression()?];
        if self.accept_symbol(",") {
            arguments.push(self.expression()?);
        }
        if self.accept_all(&["ON", "OVERFLOW"]) && !self.accept("ERROR") {
            return unsupported("listagg(… ON OVERFLOW TRUNCATE …)", "leave it out; long texts are an error");
        }
        self.expect_symbol(")")?;
        if !self.accept_all(&["WITHIN", "GROUP"]) {
            return Err(self.unexpected("WITHIN GROUP"));
        }
        let order_by = self.in_parentheses(|parser| {
            parser.expect("ORDER")?;
            parser.expect("BY")?;
            parser.list(Self::sort_item)
        })?;
        let filter = self.filter_clause()?;
        let call = Call {
            name: "listagg".to_owned(),
            arguments,
            star: false,
            distinct,
            order_by,
            filter,
            ignore_nulls: false,
            over: None,
        };
        Ok(Expression { at, kind: Kind::Call(Box::new(call)) })
    }

    fn filter_clause(&mut self) -> Parsed<Option<Expression>> {
        if self.is_word("FILTER") && self.symbol_at(1, "(") {
            self.next += 1;
            return self
                .in_parentheses(|parser| {
                    parser.expect("WHERE")?;
                    parser.expression()
                })
                .map(Some);
        }
        Ok(None)
    }

    fn name_or_call(&mut self, at: At) -> Parsed<Expression> {
        if self.symbol_at(1, "->") {
            let name = self.name()?;
            self.next += 1;
            let body = self.boxed()?;
            return Ok(Expression { at, kind: Kind::Lambda(vec![name], body) });
        }
        let name = self.name_of_function_or_column()?;
        if !self.is_symbol("(") {
            return Ok(Expression { at, kind: Kind::Identifier(name) });
        }
        self.next += 1;
        let mut call = Call {
            name: name.text.to_lowercase(),
            arguments: Vec::new(),
            star: false,
            distinct: false,
            order_by: Vec::new(),
            filter: None,
            ignore_nulls: false,
            over: None,
        };
        if self.accept_symbol("*") {
            call.star = true;
        } else if !self.is_symbol(")") {
            call.distinct = !self.accept("ALL") && self.accept("DISTINCT");
            call.arguments = self.list(Self::expression)?;
            if self.accept_all(&["ORDER", "BY"]) {
                call.order_by = self.list(Self::sort_item)?;
            }
        }
        self.expect_symbol(")")?;
        call.filter = self.filter_clause()?;
        if self.accept_all(&["IGNORE", "NULLS"]) {
            call.ignore_nulls = true;
        } else {
            self.accept_all(&["RESPECT", "NULLS"]);
        }
        if self.accept("OVER") {
            call.over = Some(if self.is_symbol("(") {
                Over::Inline(Box::new(self.window()?))
            } else {
                Over::Named(self.name()?)
            });
        }
        Ok(Expression { at, kind: Kind::Call(Box::new(call)) })
    }

    fn name_of_function_or_column(&mut self) -> Parsed<Name> {
        self.name()
    }

    // --- types ------------------------------------------------------------------------------------------------------

    fn type_with_length(&mut self) -> Parsed<(Type, Option<u32>)> {
        if self.is_word("VARCHAR") && self.symbol_at(1, "(") && !self.symbol_at(4, "ARRAY") {
            self.next += 1;
            let length = self.in_parentheses(Self::integer)?;
            if self.is_word("ARRAY") {
                return unsupported("varchar(n) inside an array", "use varchar");
            }
            return Ok((Type::Varchar, Some(u32::try_from(length).unwrap_or(u32::MAX))));
        }
        Ok((self.data_type()?, None))
    }

    fn data_type(&mut self) -> Parsed<Type> {
        let mut data_type = self.deeper(Self::data_type_inner)?;
        let mut levels = 0;
        while self.accept("ARRAY") {
            levels += 1;
            self.fits(levels)?;
            data_type = Type::array(data_type);
        }
        Ok(data_type)
    }

    fn data_type_inner(&mut self) -> Parsed<Type> {
        let at = self.at();
        let word = match self.advance() {
            Token::Word(word) | Token::Quoted(word) => word.to_uppercase(),
            _ => {
                self.next -= 1;
                return Err(self.unexpected("a type"));
            }
        };
        match word.as_str() {
            "ROW" => {
                let fields = self.in_parentheses(|parser| parser.list(Self::row_field))?;
                Ok(Type::Row(fields))
            }
            "ARRAY" => {
                let open = if self.is_symbol("<") { ("<", ">") } else { ("(", ")") };
                self.expect_symbol(open.0)?;
                let element = self.data_type()?;
                self.expect_symbol(open.1)?;
                Ok(Type::array(element))
            }
            "MAP" => {
                let open = if self.is_symbol("<") { ("<", ">") } else { ("(", ")") };
                self.expect_symbol(open.0)?;
                let key = self.data_type()?;
                self.expect_symbol(",")?;
                let value = self.data_type()?;
                self.expect_symbol(open.1)?;
                Ok(Type::map(key, value))
            }
            "DECIMAL" | "NUMERIC" | "DEC" => {
                let (mut precision, mut scale) = (38, 0);
                if self.accept_symbol("(") {
                    precision = self.integer()?;
                    if self.accept_symbol(",") {
                        scale = self.integer()?;
                    }
                    self.expect_symbol(")")?;
                }
                if precision == 0 || precision > 38 || scale > precision {
                    return Err(QueryError::Invalid(format!("{at}: decimal({precision}, {scale}) is not a type")));
                }
                let small = |number: u64| u8::try_from(number).unwrap_or(38);
                Ok(Type::Decimal(small(precision), small(scale)))
            }
            "TIMESTAMP" => {
                let digits = if self.is_symbol("(") { self.in_parentheses(Self::precision)? } else { 3 };
                if self.accept_all(&["WITH", "TIME", "ZONE"]) {
                    return Ok(Type::TimestampTz(digits, utc()));
                }
                self.accept_all(&["WITHOUT", "TIME", "ZONE"]);
                Ok(Type::Timestamp(digits))
            }
            "DOUBLE" => {
                self.accept("PRECISION");
                Ok(Type::Double)
            }
            "VARCHAR" if self.is_symbol("(") => {
                unsupported("varchar(n) inside another type", "use varchar without a length")
            }
            other => match simple_type(other) {
                Some(found) => found,
                None => Err(unknown_type(at, other)),
            },
        }
    }

    fn row_field(&mut self) -> Parsed<(Option<String>, Type)> {
        // A field is `type` or `name type`; a type of one word is followed by a comma or a parenthesis.
        let begin = self.next;
        if let Ok(data_type) = self.data_type()
            && (self.is_symbol(",") || self.is_symbol(")"))
        {
            return Ok((None, data_type));
        }
        self.next = begin;
        let name = self.name()?;
        Ok((Some(name.label()), self.data_type()?))
    }
}

/// A type of one word.
fn simple_type(word: &str) -> Option<Parsed<Type>> {
    Some(Ok(match word {
        "BOOLEAN" => Type::Boolean,
        "TINYINT" => Type::Tinyint,
        "SMALLINT" => Type::Smallint,
        "INTEGER" | "INT" => Type::Integer,
        "BIGINT" => Type::Bigint,
        "REAL" => Type::Real,
        "DOUBLE" => Type::Double,
        "DECIMAL" => Type::Decimal(38, 0),
        "VARCHAR" => Type::Varchar,
        "VARBINARY" => Type::Varbinary,
        "DATE" => Type::Date,
        "JSON" => Type::Json,
        "IPADDRESS" => Type::IpAddress,
        "CHAR" | "TIME" | "UUID" | "HYPERLOGLOG" | "P4HYPERLOGLOG" | "QDIGEST" | "TDIGEST" | "SETDIGEST"
        | "INTERVAL" | "COLOR" | "GEOMETRY" | "IPPREFIX" | "JSON2016" => {
            let remedy = match word {
                "CHAR" => "use varchar",
                "TIME" => "use timestamp",
                "UUID" => "compare the text in lower case",
                _ => "run the statement on Athena",
            };
            return Some(unsupported(format!("type {}", word.to_lowercase()), remedy));
        }
        _ => return None,
    }))
}

fn unknown_type(at: At, word: &str) -> QueryError {
    QueryError::Invalid(format!("{at}: there is no type {}", word.to_lowercase()))
}

fn call(name: &str, arguments: Vec<Expression>) -> Kind {
    Kind::Call(Box::new(Call {
        name: name.to_owned(),
        arguments,
        star: false,
        distinct: false,
        order_by: Vec::new(),
        filter: None,
        ignore_nulls: false,
        over: None,
    }))
}

/// The text of `U&'…'`: `\XXXX` and `\+XXXXXX` are code points, a doubled escape is itself.
fn unescape(text: &str, escape: char) -> Option<String> {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != escape {
            out.push(c);
            continue;
        }
        let first = chars.next()?;
        if first == escape {
            out.push(escape);
            continue;
        }
        let (mut digits, count) = if first == '+' { (String::new(), 6) } else { (String::from(first), 4) };
        while digits.len() < count {
            digits.push(chars.next()?);
        }
        out.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn what_is_not_trino_is_not_read() {
        for text in [
            "SELECT a == b FROM t",
            "SELECT a::varchar FROM t",
            "SELECT `a` FROM t",
            "SELECT 1;",
            "SELECT a FROM t LIMIT 1 OFFSET 2",
            "SELECT INTERVAL 1 DAY",
            "SELECT a FROM t QUALIFY row_number() OVER () = 1",
            "SELECT 1 AS group",
            "SELECT a ILIKE 'b' FROM t",
            "SELECT 'a' 'b' 'c'",
            "SELECT [1, 2]",
            "SELECT {'a': 1}",
            "SELECT E'a\\n'",
            "SELECT 1 WHERE",
            "SELECT * EXCLUDE (a) FROM t",
            "SELECT a FROM t GROUP BY ALL",
            "SELECT a.group FROM t",
            "SELECT 1x",
            "",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn errors_name_the_place() {
        assert_eq!(
            refusal("SELECT a\nFROM t WHERE"),
            "the query is refused: line 2:13: found the end, expected an expression"
        );
        assert_eq!(
            refusal("SELECT a.group FROM t"),
            "the query is refused: line 1:10: 'group' is a reserved word; as a name it needs double quotes"
        );
    }

    #[test]
    fn deep_nesting_is_an_error_and_not_a_crash() {
        let text = format!("SELECT {}1{}", "(".repeat(100_000), ")".repeat(100_000));
        assert!(refusal(&text).contains("nested too deeply"));
    }
}
