//! Splits SQL text into statements, and classifies each.

use std::ops::Range;

use crate::template::tokens::{Token, tokens, unquoted};

/// A statement of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Any other statement, for the engine. It is preceded by blank lines and spaces, so that its places are those of the
    /// whole text.
    Query(String),
    /// `EXPLAIN` of a query; the text is the query alone.
    Explain(String),
    /// `SHOW …`
    Show(Show),
    /// `DESCRIBE t` or `SHOW COLUMNS FROM t`, with the name as written.
    Describe(String),
    /// `CREATE VIEW v AS …`
    CreateView(View),
    /// `DROP VIEW v`
    DropView {
        /// The view, in lower case.
        name: String,
        /// Whether a missing view is no error.
        if_exists: bool,
    },
}

/// What `SHOW` lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Show {
    /// Tables, logical tables and views, optionally of one database or with names that match a pattern.
    Tables {
        /// The database; `None` for all.
        database: Option<String>,
        /// A `LIKE` pattern: `%` is any text, `_` any character. As in Athena, `*` is any text too.
        like: Option<String>,
    },
    /// Databases.
    Schemas,
}

/// A view of a session.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct View {
    /// The name, in lower case.
    pub name: String,
    /// The column names in parentheses, after a space. Empty if the query names them.
    pub columns: String,
    /// The query.
    pub query: String,
    /// Whether it was created with OR REPLACE.
    pub replaces: bool,
}

/// Why a text is not a list of statements.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}:{column}: {message}")]
pub struct CommandError {
    line: usize,
    column: usize,
    message: String,
}

/// The statements of a text, each with its first line, counted from 1.
///
/// # Errors
/// A statement starts with `SHOW`, `DESCRIBE`, `CREATE VIEW` or `DROP VIEW`, but is not one of the supported forms.
pub fn commands(text: &str) -> Result<Vec<(Command, usize)>, CommandError> {
    let tokens = tokens(text);
    let statements = tokens.split(|(token, _)| *token == Token::Semicolon).filter(|statement| !statement.is_empty());
    let read = |statement| Ok((Statement { text, tokens: statement }.command()?, line_of(text, start(statement))));
    statements.map(read).collect()
}

fn start(tokens: &[(Token, Range<usize>)]) -> usize {
    tokens.first().map_or(0, |(_, span)| span.start)
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.get(..at).unwrap_or_default().matches('\n').count()
}

struct Statement<'t> {
    text: &'t str,
    tokens: &'t [(Token, Range<usize>)],
}

impl Statement<'_> {
    fn command(&self) -> Result<Command, CommandError> {
        let word = |at: usize| self.tokens.get(at).and_then(|(token, _)| token.word()).unwrap_or_default();
        match (word(0), word(1), word(2), word(3)) {
            ("show", "tables" | "views", ..) => self.show_tables(),
            ("show", "schemas" | "databases", "", _) => Ok(Command::Show(Show::Schemas)),
            ("show", "columns", "from" | "in", _) => self.name(3).map(Command::Describe),
            ("show", "create", ..) => self.wrong(0, "SHOW CREATE is not supported; `sluice ddl` prints CREATE TABLE"),
            ("show", ..) => self.wrong(0, "write SHOW TABLES, SHOW COLUMNS FROM a_table or SHOW SCHEMAS"),
            ("describe" | "desc", "input" | "output", ..) if self.tokens.len() > 2 => {
                self.wrong(0, "prepared statements are not supported; DESCRIBE takes a table")
            }
            ("describe" | "desc", "formatted" | "extended", ..) if self.tokens.len() > 2 => {
                self.name(2).map(Command::Describe)
            }
            ("describe" | "desc", ..) => self.name(1).map(Command::Describe),
            ("explain", "analyze", ..) => {
                self.wrong(0, "EXPLAIN ANALYZE is not supported; run the query, whose last line shows the bytes read")
            }
            ("explain", ..) => Ok(Command::Explain(self.placed(self.after_options(1)))),
            ("create", "view", ..) => self.view(2, false),
            ("create", "or", "replace", "view") => self.view(4, true),
            ("create", ..) => self.wrong(0, "only CREATE VIEW is supported; `sluice ddl` prints CREATE TABLE"),
            ("drop", "view", "if", "exists") => {
                let name = self.name(4)?;
                Ok(Command::DropView { name: folded(&name), if_exists: true })
            }
            ("drop", "view", ..) => {
                let name = self.name(2)?;
                Ok(Command::DropView { name: folded(&name), if_exists: false })
            }
            _ => Ok(Command::Query(self.placed(0))),
        }
    }

    /// The text from a token on, preceded by as many lines and spaces as the original.
    fn placed(&self, from: usize) -> String {
        let Some((_, first)) = self.tokens.get(from) else { return String::new() };
        let end = self.tokens.last().map_or(first.end, |(_, span)| span.end);
        let before = self.text.get(..first.start).unwrap_or_default();
        let (lines, line) = match before.rfind('\n') {
            Some(at) => (before.matches('\n').count(), &before[at + 1..]),
            None => (0, before),
        };
        let blanks = line.chars().count();
        format!("{}{}{}", "\n".repeat(lines), " ".repeat(blanks), self.text.get(first.start..end).unwrap_or_default())
    }

    /// Skips options such as `(TYPE LOGICAL, FORMAT TEXT)`, which only Athena uses.
    fn after_options(&self, from: usize) -> usize {
        let is = |at: usize, wanted: &Token| self.tokens.get(at).is_some_and(|(token, _)| token == wanted);
        let has_options = is(from, &Token::Open)
            && self.tokens.get(from + 1).is_some_and(|(token, _)| token.is_word("type") || token.is_word("format"));
        let close = self.tokens.iter().skip(from).position(|(token, _)| *token == Token::Close);
        match (has_options, close) {
            (true, Some(close)) => from + close + 1,
            _ => from,
        }
    }

    /// Reads the rest of the statement as a name: `t`, `database.t` or `{{t}}`.
    fn name(&self, from: usize) -> Result<String, CommandError> {
        let rest = self.tokens.get(from..).unwrap_or_default();
        let is_path = rest.iter().enumerate().all(|(at, (token, _))| match token {
            Token::Word(_) => at % 2 == 0,
            Token::Dot => at % 2 == 1,
            _ => false,
        });
        let is_template = matches!(rest, [(Token::Hole(_), _)]);
        match (rest.first(), rest.last()) {
            (Some((_, first)), Some((_, last))) if is_path && rest.len() % 2 == 1 || is_template => {
                Ok(self.text.get(first.start..last.end).unwrap_or_default().to_owned())
            }
            _ => self.wrong(from, "expected the name of a table"),
        }
    }

    fn show_tables(&self) -> Result<Command, CommandError> {
        let (mut database, mut like) = (None, None);
        let mut at = 2;
        while let Some((token, span)) = self.tokens.get(at) {
            let next = self.tokens.get(at + 1);
            match (token.word(), next) {
                (Some("from" | "in"), Some((Token::Word(word), _))) if database.is_none() => {
                    database = Some(folded(word));
                    at += 2;
                }
                (Some("like"), Some((Token::Other, span))) if like.is_none() => {
                    like = Some(self.text_literal(span));
                    at += 2;
                }
                (None, _) if like.is_none() && *token == Token::Other => {
                    like = Some(self.text_literal(span));
                    at += 1;
                }
                _ => return self.wrong(at, "write SHOW TABLES, SHOW TABLES FROM a_database, SHOW TABLES LIKE 'a%'"),
            }
        }
        Ok(Command::Show(Show::Tables { database, like }))
    }

    fn text_literal(&self, span: &Range<usize>) -> String {
        self.text.get(span.clone()).unwrap_or_default().trim_matches('\'').replace("''", "'")
    }

    fn view(&self, from: usize, replaces: bool) -> Result<Command, CommandError> {
        let is_as = |(token, _): &(Token, Range<usize>)| token.is_word("as");
        let rest = self.tokens.get(from..).unwrap_or_default();
        let Some(body) = rest.iter().position(is_as) else {
            return self.wrong(from, "write CREATE VIEW a_name AS SELECT …");
        };
        let (columns, name_end) = match rest.iter().take(body).position(|(token, _)| *token == Token::Open) {
            Some(open) => {
                let last = rest.get(body - 1).map_or(0, |(_, span)| span.end);
                let first = rest.get(open).map_or(0, |(_, span)| span.start);
                (format!(" {}", self.text.get(first..last).unwrap_or_default()), open)
            }
            None => (String::new(), body),
        };
        let [(Token::Word(name), _)] = rest.get(..name_end).unwrap_or_default() else {
            return self.wrong(from, "the name of a view cannot have a database: views exist only in this session");
        };
        let query = rest.get(body + 1..).unwrap_or_default();
        let (Some((_, first)), Some((_, last))) = (query.first(), query.last()) else {
            return self.wrong(from + body, "the view has no query");
        };
        let query = self.text.get(first.start..last.end).unwrap_or_default().to_owned();
        Ok(Command::CreateView(View { name: folded(name), columns, query, replaces }))
    }

    fn wrong<T>(&self, at: usize, message: &str) -> Result<T, CommandError> {
        let place = self.tokens.get(at).or(self.tokens.last());
        let at = place.map_or(0, |(_, span)| span.start);
        let before = self.text.get(..at).unwrap_or_default();
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        Err(CommandError { line: line_of(self.text, at), column, message: message.to_owned() })
    }
}

impl Show {
    /// Whether a name matches the `LIKE` pattern, ignoring case. Without a pattern, every name matches.
    pub fn names(like: Option<&str>, name: &str) -> bool {
        fn matches(pattern: &[u8], name: &[u8]) -> bool {
            match (pattern.split_first(), name.split_first()) {
                (None, None) => true,
                (Some((b'%' | b'*', rest)), _) => (0..=name.len()).any(|at| matches(rest, &name[at..])),
                (Some((b'_', rest)), Some((_, others))) => matches(rest, others),
                (Some((one, rest)), Some((other, others))) => one.eq_ignore_ascii_case(other) && matches(rest, others),
                _ => false,
            }
        }
        like.is_none_or(|pattern| matches(pattern.as_bytes(), name.as_bytes()))
    }
}

/// A name in the form in which Trino compares names: unquoted, in lower case.
fn folded(name: &str) -> String {
    unquoted(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Command {
        let commands = commands(text).unwrap();
        assert_eq!(commands.len(), 1, "{commands:?}");
        commands.into_iter().next().unwrap().0
    }

    #[test]
    fn a_text_is_cut_at_semicolons_outside_of_quotes_and_comments() {
        let text = "-- first; still\nSELECT ';' ; ;\n  /* ; */ SELECT \";\"\n;";
        let cut = commands(text).unwrap();
        let queries: Vec<_> = cut.iter().map(|(command, line)| (command.clone(), *line)).collect();
        assert_eq!(
            queries,
            [
                (Command::Query("\nSELECT ';'".to_owned()), 2),
                (Command::Query("\n\n          SELECT \";\"".to_owned()), 3)
            ]
        );
        assert_eq!(commands(" -- nothing\n;").unwrap(), []);
    }

    #[test]
    fn statements_beside_queries_are_read() {
        let tables = |database: Option<&str>, like: Option<&str>| {
            Command::Show(Show::Tables { database: database.map(str::to_owned), like: like.map(str::to_owned) })
        };
        assert_eq!(one("SHOW TABLES"), tables(None, None));
        assert_eq!(one("show tables in Lake like 'aws%'"), tables(Some("lake"), Some("aws%")));
        assert_eq!(one("SHOW TABLES '*flow*'"), tables(None, Some("*flow*")));
        assert_eq!(one("SHOW DATABASES"), Command::Show(Show::Schemas));
        for text in ["DESCRIBE a.b", "desc a.b", "SHOW COLUMNS FROM a.b", "DESCRIBE FORMATTED a.b"] {
            assert_eq!(one(text), Command::Describe("a.b".to_owned()), "{text}");
        }
        assert_eq!(one("DESCRIBE {{aws-alb}};"), Command::Describe("{{aws-alb}}".to_owned()));
        assert_eq!(one("EXPLAIN SELECT 1"), Command::Explain("        SELECT 1".to_owned()));
        assert_eq!(one("EXPLAIN (TYPE LOGICAL) SELECT (1)").clone(), {
            Command::Explain("                       SELECT (1)".to_owned())
        });
        let view = View { name: "v".to_owned(), query: "SELECT 1 AS a".to_owned(), ..View::default() };
        assert_eq!(one("CREATE VIEW V AS SELECT 1 AS a"), Command::CreateView(view.clone()));
        let replacing = View { columns: " (a, b)".to_owned(), replaces: true, ..view };
        assert_eq!(one("create or replace view v (a, b) as SELECT 1 AS a"), Command::CreateView(replacing));
        let drop = |if_exists| Command::DropView { name: "v".to_owned(), if_exists };
        assert_eq!([one("DROP VIEW v"), one("DROP VIEW IF EXISTS V")], [drop(false), drop(true)]);
    }

    #[test]
    fn names_match_patterns() {
        for (pattern, fits) in [
            ("aws%", true),
            ("AWS_alb", true),
            ("*alb", true),
            ("%", true),
            ("alb", false),
            ("aws_al", false),
            ("", false),
        ] {
            assert_eq!(Show::names(Some(pattern), "aws-alb"), fits, "{pattern}");
        }
        assert!(Show::names(None, "anything"));
    }

    #[test]
    fn what_goes_on_as_nothing_known_is_refused_with_its_place() {
        for (text, place) in [
            ("SHOW FUNCTIONS", "line 1:1"),
            ("SELECT 1;\n  DESCRIBE 5", "line 2:12"),
            ("DESCRIBE", "line 1:1"),
            ("CREATE TABLE t (a int)", "line 1:1"),
            ("CREATE VIEW a.b AS SELECT 1", "line 1:13"),
            ("CREATE VIEW v", "line 1:13"),
            ("CREATE VIEW v AS", "line 1:15"),
            ("SHOW TABLES WHERE x", "line 1:13"),
        ] {
            let error = commands(text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{place}: ")), "{text}: {error}");
        }
    }
}
