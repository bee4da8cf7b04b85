//! Interactive SQL: several statements, `SHOW` and `DESCRIBE`, views, and logical tables next to physical ones.
//!
//! [`commands`] splits a text into [`Command`]s. A [`Session`] knows the logical tables of a [`Catalog`] and the views
//! created so far. [`Session::expand`] turns a query into one statement for the engine: it defines the logical tables and
//! views that the query reads as common table expressions. So names have their SQL scope, and the engine gets a single
//! statement.

mod command;

use std::ops::Range;

use sql::sql;
use sql::table::Table;
use sql::text::Sql;
use sql::types::ColumnType;

use crate::catalog::{Catalog, CatalogTable, UnknownTable};
use crate::statement::{Reader, StatementError, Wanted, bounds, merged_columns, union};
use crate::template::named;
use crate::template::tokens::{Token, tokens, unquoted};
use crate::window::Window;

pub use command::{Command, CommandError, Show, View, commands};

/// Why a query cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// An unknown logical table, or one whose tables have incompatible columns.
    #[error(transparent)]
    Table(#[from] StatementError),
    /// A template that only rules can have.
    #[error("`{{{{{0}}}}}` has no meaning in a query; write {{{{a-source}}}}, {{{{class:a_class}}}} or a value")]
    Template(String),
    /// A view that reads itself.
    #[error("the view `{0}` reads itself")]
    Circle(String),
    /// CREATE VIEW for an existing view.
    #[error("view `{0}` already exists; write CREATE OR REPLACE VIEW")]
    ViewExists(String),
    /// An unknown view.
    #[error("view `{0}` does not exist")]
    NoView(String),
    /// CREATE VIEW with the name of a physical table.
    #[error("`{0}` is a table; choose another name for the view")]
    IsTable(String),
    /// A query with a time range reads a physical table, which the range does not bound.
    #[error(
        "a time range applies to logical tables only, and `{0}` is a physical one; query the logical table, or write the condition"
    )]
    Unbounded(String),
}

impl From<UnknownTable> for SessionError {
    fn from(error: UnknownTable) -> Self {
        Self::Table(error.into())
    }
}

/// A query expanded for an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expanded {
    /// One query in Trino's SQL.
    pub sql: Sql,
    /// The physical tables that it reads.
    pub reads: Vec<Table>,
    /// The logical tables that it reads and that have no existing physical table.
    pub absent: Vec<String>,
    /// Maps lines of the statement to the original text.
    places: Places,
}

impl Expanded {
    /// Translates the places (`line 2:5`) in an engine's message to the text that the person wrote.
    pub fn in_words_of_the_author(&self, message: &str) -> String {
        self.places.translated(message)
    }
}

/// Physical tables, logical tables, and views by name.
#[derive(Debug, Clone)]
pub struct Session<'c> {
    catalog: &'c Catalog,
    tables: &'c [Table],
    /// The database of unqualified table names.
    database: &'c str,
    window: Option<Window>,
    views: Vec<View>,
}

/// What a name in a query refers to.
enum Relation {
    View(View),
    Physical(Table),
    Logical(String),
    /// Unknown here. The engine's message is better.
    Unknown,
}

impl<'c> Session<'c> {
    /// A session without views. With a `window`, logical tables contain only its rows.
    pub fn new(catalog: &'c Catalog, tables: &'c [Table], database: &'c str, window: Option<Window>) -> Self {
        Self { catalog, tables, database, window, views: Vec::new() }
    }

    /// The views, in the order of creation.
    pub fn views(&self) -> &[View] {
        &self.views
    }

    /// Adds a view. Its query is parsed when another query reads the view.
    ///
    /// # Errors
    /// [`SessionError::ViewExists`] and [`SessionError::IsTable`]
    pub fn create_view(&mut self, view: View) -> Result<(), SessionError> {
        if self.physical(std::slice::from_ref(&view.name)).is_some() {
            return Err(SessionError::IsTable(view.name));
        }
        match self.views.iter_mut().find(|known| known.name == view.name) {
            Some(known) if view.replaces => *known = view,
            Some(_) => return Err(SessionError::ViewExists(view.name)),
            None => self.views.push(view),
        }
        Ok(())
    }

    /// Removes a view.
    ///
    /// # Errors
    /// [`SessionError::NoView`], unless `if_exists`.
    pub fn drop_view(&mut self, name: &str, if_exists: bool) -> Result<(), SessionError> {
        let before = self.views.len();
        self.views.retain(|view| view.name != name);
        match before == self.views.len() && !if_exists {
            true => Err(SessionError::NoView(name.to_owned())),
            false => Ok(()),
        }
    }

    /// The columns of a physical or logical table; `None` for a view or an unknown name.
    ///
    /// # Errors
    /// A logical table whose tables have incompatible columns.
    pub fn columns(&self, path: &str) -> Result<Option<Vec<(String, ColumnType)>>, SessionError> {
        if let Some(logical) = path.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")) {
            return self.logical_columns(logical.trim()).map(Some);
        }
        match self.relation(path) {
            Relation::Physical(table) => Ok(Some(table.columns)),
            Relation::Logical(name) => self.logical_columns(&name).map(Some),
            Relation::View(_) | Relation::Unknown => Ok(None),
        }
    }

    /// The logical tables that contain a physical table, except the one of the same name.
    pub fn logical_tables_of(&self, table: &Table) -> Vec<&'c str> {
        let own_name = table.name.replace('_', "-");
        let all = self.catalog.names().filter(|name| *name != own_name);
        let has = |name: &&str| {
            let resolved = self.catalog.resolve(name);
            resolved.is_ok_and(|resolved| resolved.tables.iter().any(|(entry, _)| entry.table == *table))
        };
        all.filter(has).collect()
    }

    /// The logical tables with an existing physical table.
    pub fn logical_tables(&self) -> Vec<&'c str> {
        let absent: Vec<&str> = self.catalog.without_tables().collect();
        self.catalog.names().filter(|name| !absent.contains(name)).collect()
    }

    /// Expands a query to one statement.
    ///
    /// # Errors
    /// [`SessionError`]
    pub fn expand(&self, query: &str) -> Result<Expanded, SessionError> {
        let mut expansion = Expansion { session: self, wanted: self.wanted(query), ..Expansion::empty(self) };
        let text = expansion.read(query)?;
        if self.window.is_some()
            && let Some(table) = expansion.named.first()
        {
            return Err(SessionError::Unbounded(table.clone()));
        }
        Ok(expansion.finish(&text))
    }

    fn logical_columns(&self, name: &str) -> Result<Vec<(String, ColumnType)>, SessionError> {
        let resolved = self.catalog.resolve(name)?;
        Ok(merged_columns(name, &resolved.tables, &Wanted::All)?)
    }

    /// The columns to select in logical tables: those named in the query or in a view.
    fn wanted(&self, query: &str) -> Wanted {
        let reads_table = |text: &&str| tokens(text).iter().any(|(token, _)| token.is_word("table"));
        let texts: Vec<&str> =
            std::iter::once(query).chain(self.views.iter().map(|view| view.query.as_str())).collect();
        // `TABLE t` means `SELECT * FROM t`.
        if texts.iter().any(reads_table) { Wanted::All } else { Wanted::of_text(&texts.join(" ")) }
    }

    fn physical(&self, path: &[String]) -> Option<&'c Table> {
        self.tables.iter().find(|table| match path {
            [name] => table.database == self.database && table.name == *name,
            [database, name] => table.database == *database && table.name == *name,
            // The first part is the catalog, such as `awsdatacatalog`.
            [_, database, name] => table.database == *database && table.name == *name,
            _ => false,
        })
    }

    fn relation(&self, path: &str) -> Relation {
        let path: Vec<String> = parts(path);
        if let Some(table) = self.physical(&path) {
            return Relation::Physical(table.clone());
        }
        let name = match &path[..] {
            [name] => name,
            [database, name] if database == self.database => name,
            _ => return Relation::Unknown,
        };
        if let Some(view) = self.views.iter().find(|view| view.name == *name) {
            return Relation::View(view.clone());
        }
        let is_meant = |logical: &&str| *logical == name || logical.replace(['-', '/'], "_") == *name;
        match self.catalog.names().find(is_meant) {
            Some(logical) => Relation::Logical(logical.to_owned()),
            None => Relation::Unknown,
        }
    }
}

/// The parts of `database.table`, unquoted and in lower case, because Trino ignores case.
fn parts(path: &str) -> Vec<String> {
    let words = tokens(path).into_iter().filter_map(|(token, _)| token.word().map(unquoted));
    words.map(|word| word.to_ascii_lowercase()).collect()
}

/// A query during its expansion.
struct Expansion<'s, 'c> {
    session: &'s Session<'c>,
    wanted: Wanted,
    /// The common table expressions to put before the query. Each reads only those before it.
    defined: Vec<Definition>,
    /// The views being expanded, outermost first.
    open: Vec<String>,
    reads: Vec<Table>,
    absent: Vec<String>,
    /// The physical tables that are read by their own names.
    named: Vec<String>,
}

struct Definition {
    name: String,
    columns: String,
    /// The SQL inside the parentheses.
    query: String,
    /// Whether it is the text of a view, which has its own line numbers.
    is_view: bool,
}

impl<'s, 'c> Expansion<'s, 'c> {
    fn empty(session: &'s Session<'c>) -> Self {
        Self {
            session,
            wanted: Wanted::All,
            defined: Vec::new(),
            open: Vec::new(),
            reads: Vec::new(),
            absent: Vec::new(),
            named: Vec::new(),
        }
    }

    /// Replaces templates by names of the same width, so that later text keeps its place. Adds the definitions of everything
    /// that the query reads.
    fn read(&mut self, query: &str) -> Result<String, SessionError> {
        let tokens = tokens(query);
        let mut edits: Vec<(Range<usize>, String)> = Vec::new();
        for (token, span) in &tokens {
            let Token::Hole(content) = token else { continue };
            let content = content.trim();
            let replacement = match content {
                "window" => "TRUE".to_owned(),
                _ if content.starts_with("window:") => "TRUE".to_owned(),
                _ if content.starts_with("param:") => return Err(SessionError::Template(content.to_owned())),
                _ => {
                    self.define_logical(content, content)?;
                    Sql::name(content).as_str().to_owned()
                }
            };
            edits.push((span.clone(), replacement));
        }
        for span in named::relations(&tokens) {
            let path = query.get(span.clone()).unwrap_or_default();
            let parts = parts(path);
            let Some(name) = parts.last().cloned() else { continue };
            match self.session.relation(path) {
                Relation::Physical(table) => {
                    self.named.push(table.name.clone());
                    self.note(table);
                }
                Relation::Unknown => {}
                Relation::Logical(logical) => {
                    self.define_logical(&logical, &name)?;
                    if parts.len() > 1 {
                        edits.push((span, Sql::name(&name).as_str().to_owned()));
                    }
                }
                Relation::View(view) => {
                    self.define_view(&view)?;
                    if parts.len() > 1 {
                        edits.push((span, Sql::name(&name).as_str().to_owned()));
                    }
                }
            }
        }
        edits.sort_by_key(|(span, _)| span.start);
        let mut text = String::with_capacity(query.len());
        let mut at = 0;
        for (span, replacement) in edits {
            text += query.get(at..span.start).unwrap_or_default();
            let width = query.get(span.clone()).unwrap_or_default().chars().count();
            text += &format!("{replacement:width$}");
            at = span.end;
        }
        text += query.get(at..).unwrap_or_default();
        Ok(text)
    }

    fn is_defined(&self, name: &str) -> bool {
        self.defined.iter().any(|definition| definition.name == name)
    }

    fn note(&mut self, table: Table) {
        if !self.reads.contains(&table) {
            self.reads.push(table);
        }
    }

    /// Defines a logical table under `name`: its own name, or the same with `_` for `-`.
    fn define_logical(&mut self, logical: &str, name: &str) -> Result<(), SessionError> {
        if self.is_defined(name) {
            return Ok(());
        }
        let resolved = self.session.catalog.resolve(logical)?;
        let window = self.session.window;
        let there = |tables: &[(&CatalogTable, Option<u32>)]| tables.iter().any(|(entry, _)| entry.exists);
        if !there(&resolved.tables) {
            self.absent.push(logical.to_owned());
        }
        for (entry, _) in resolved.tables.iter().filter(|(entry, _)| entry.exists) {
            self.note(entry.table.clone());
        }
        let query = match resolved.tables[..] {
            [(entry, None)] if entry.exists => {
                let condition = window.map_or(Ok(Sql::code("TRUE")), |window| bounds(&entry.table, window, None))?;
                sql!("(SELECT * FROM {} WHERE {})", entry.table.reference(), condition)
            }
            _ => union(logical, &resolved.tables, Reader::Person(window), &self.wanted)?,
        };
        let query = query.as_str().to_owned();
        self.defined.push(Definition { name: name.to_owned(), columns: String::new(), query, is_view: false });
        Ok(())
    }

    fn define_view(&mut self, view: &View) -> Result<(), SessionError> {
        if self.open.contains(&view.name) {
            return Err(SessionError::Circle(view.name.clone()));
        }
        if self.is_defined(&view.name) {
            return Ok(());
        }
        self.open.push(view.name.clone());
        let query = self.read(&view.query)?;
        self.open.pop();
        let (name, columns) = (view.name.clone(), view.columns.clone());
        self.defined.push(Definition { name, columns, query: format!("({query}\n)"), is_view: true });
        Ok(())
    }

    /// The whole statement: the definitions, then the query.
    fn finish(self, query: &str) -> Expanded {
        let mut places = Places::default();
        let mut text = String::new();
        let mut query = query.to_owned();
        if !self.defined.is_empty() {
            let tokens = tokens(&query);
            let mut first = tokens.iter().take(2);
            let with = first.next().filter(|(token, _)| token.is_word("with")).map(|(_, span)| span.clone());
            let recursive = with.is_some() && first.next().is_some_and(|(token, _)| token.is_word("recursive"));
            text += if recursive { "WITH RECURSIVE " } else { "WITH " };
            for (at, Definition { name, columns, query, is_view }) in self.defined.iter().enumerate() {
                if at > 0 {
                    text += ",\n";
                }
                text += &format!("{}{columns} AS ", Sql::name(name));
                if *is_view {
                    let line = 1 + text.matches('\n').count();
                    // The first line of a view starts after its name.
                    let column = text.chars().rev().take_while(|c| *c != '\n').count() + 1;
                    places.views.push(ViewLines {
                        name: name.clone(),
                        lines: line..line + query.lines().count(),
                        column,
                    });
                }
                text += query;
            }
            // If the query has its own WITH, its definitions follow.
            let length = match (&with, recursive) {
                (Some(_), true) => tokens.get(1).map(|(_, span)| span.end),
                (Some(with), false) => Some(with.end),
                _ => None,
            };
            if let (Some(with), Some(end)) = (with, length) {
                let blank: String = query[with.start..end].chars().map(|c| if c == '\n' { c } else { ' ' }).collect();
                query.replace_range(with.start..end, &blank);
                text.push(',');
            }
            text.push('\n');
            places.before = text.matches('\n').count();
        }
        text += &query;
        Expanded { sql: Sql::of_author(text), reads: self.reads, absent: self.absent, places }
    }
}

/// Maps the lines of a statement to their source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Places {
    /// The number of lines before the query.
    before: usize,
    views: Vec<ViewLines>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct ViewLines {
    name: String,
    /// Counted from 1.
    lines: Range<usize>,
    /// The number of characters before the view's first line.
    column: usize,
}

impl Places {
    fn translated(&self, message: &str) -> String {
        let mut text = String::new();
        let mut rest = message;
        while let Some(at) = rest.find("line ") {
            let (before, found) = rest.split_at(at);
            text += before;
            match self.place(&found["line ".len()..]) {
                Some((place, length)) => {
                    text += &place;
                    rest = &found["line ".len() + length..];
                }
                None => {
                    text += "line ";
                    rest = &found["line ".len()..];
                }
            }
        }
        text + rest
    }

    /// Translates a place at the start of a text. Returns the new words, and the number of bytes that they replace.
    fn place(&self, text: &str) -> Option<(String, usize)> {
        let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let line_digits = digits(text);
        let rest = text.get(line_digits..)?.strip_prefix(':')?;
        let column_digits = digits(rest);
        let line: usize = text.get(..line_digits)?.parse().ok()?;
        let column: usize = rest.get(..column_digits)?.parse().ok()?;
        let length = line_digits + 1 + column_digits;
        if line > self.before {
            return Some((format!("line {}:{column}", line - self.before), length));
        }
        let view = self.views.iter().find(|view| view.lines.contains(&line));
        let words = match view {
            Some(view) => {
                let column = if line == view.lines.start { column.saturating_sub(view.column) } else { column };
                format!("line {}:{column} of the view `{}`", line - view.lines.start + 1, view.name)
            }
            None => "a logical table".to_owned(),
        };
        Some((words, length))
    }
}

#[cfg(test)]
mod tests {
    use sql::table::Layout;

    use super::*;

    fn table(name: &str, columns: &[(&str, &str)]) -> Table {
        let columns: Vec<_> = columns.iter().map(|(n, t)| ((*n).to_owned(), t.parse().unwrap())).collect();
        Table {
            database: "sluice".to_owned(),
            name: name.to_owned(),
            layout: Layout::Plain,
            dialect: "ocsf".to_owned(),
            columns,
        }
    }

    /// Two tables of the source `web-shop`, and one that is no source.
    fn tables() -> Vec<Table> {
        vec![
            table("web_shop_4002", &[("time", "bigint"), ("url", "string")]),
            table("web_shop_3002", &[("time", "bigint"), ("user", "string")]),
            table("plain", &[("time", "bigint")]),
        ]
    }

    fn views(session: &mut Session<'_>, text: &str) {
        for (command, _) in commands(text).unwrap() {
            let Command::CreateView(view) = command else { panic!("{command:?}") };
            session.create_view(view).unwrap();
        }
    }

    fn expanded(query: &str) -> Expanded {
        let tables = tables();
        let catalog = Catalog::of_tables(&tables, &[], "sluice");
        Session::new(&catalog, &tables, "sluice", None).expand(query).unwrap()
    }

    #[test]
    fn a_query_of_physical_tables_stays_as_it_is() {
        let query = "-- why\nWITH a AS (SELECT 1) SELECT * FROM a, plain, other.table_of_another";
        let expanded = expanded(query);
        assert_eq!(expanded.sql.as_str(), query);
        assert_eq!(expanded.reads.iter().map(|table| table.name.as_str()).collect::<Vec<_>>(), ["plain"]);
    }

    #[test]
    fn a_logical_table_has_the_rows_of_all_tables_of_its_source_by_every_spelling() {
        let union = "(SELECT \"time\" AS \"time\", \"url\" AS \"url\" FROM \"sluice\".\"web_shop_4002\" WHERE TRUE \
                     UNION ALL SELECT \"time\" AS \"time\", CAST(NULL AS varchar) AS \"url\" FROM \
                     \"sluice\".\"web_shop_3002\" WHERE TRUE)";
        for (query, name, below) in [
            ("SELECT url FROM {{web-shop}} w", "web-shop", "SELECT url FROM \"web-shop\"   w"),
            ("SELECT url FROM \"web-shop\"", "web-shop", "SELECT url FROM \"web-shop\""),
            ("SELECT url FROM web_shop", "web_shop", "SELECT url FROM web_shop"),
            ("SELECT url FROM Sluice.Web_Shop w", "web_shop", "SELECT url FROM \"web_shop\"      w"),
        ] {
            let expanded = expanded(query);
            assert_eq!(expanded.sql.as_str(), format!("WITH \"{name}\" AS {union}\n{below}"));
            assert_eq!(expanded.reads.len(), 2);
        }
    }

    #[test]
    fn a_name_that_the_query_defines_is_its_own() {
        let query = "WITH web_shop AS (SELECT 1 AS url) SELECT url FROM web_shop";
        assert_eq!(expanded(query).sql.as_str(), query);
    }

    #[test]
    fn definitions_of_the_query_come_after_the_logical_tables() {
        let expanded = expanded("WITH a AS (SELECT time FROM {{plain}}) SELECT * FROM a");
        let wanted = "WITH \"plain\" AS (SELECT * FROM \"sluice\".\"plain\" WHERE TRUE),\n     a AS (SELECT time FROM \
                      \"plain\"  ) SELECT * FROM a";
        assert_eq!(expanded.sql.as_str(), wanted);
    }

    #[test]
    fn views_read_views_and_a_circle_is_refused() {
        let tables = tables();
        let catalog = Catalog::of_tables(&tables, &[], "sluice");
        let mut session = Session::new(&catalog, &tables, "sluice", None);
        views(
            &mut session,
            "CREATE VIEW late AS SELECT * FROM early;\nCREATE VIEW early (t) AS SELECT time FROM plain;",
        );
        let expanded = session.expand("SELECT t FROM late").unwrap();
        assert_eq!(
            expanded.sql.as_str(),
            "WITH \"early\" (t) AS (SELECT time FROM plain\n),\n\"late\" AS (SELECT * FROM early\n)\nSELECT t FROM late"
        );
        views(&mut session, "CREATE OR REPLACE VIEW early AS SELECT * FROM late");
        assert_eq!(session.expand("TABLE late"), Err(SessionError::Circle("late".to_owned())));
        session.drop_view("early", false).unwrap();
        assert_eq!(session.drop_view("early", false), Err(SessionError::NoView("early".to_owned())));
        session.drop_view("early", true).unwrap();
    }

    #[test]
    fn a_view_cannot_hide_a_table_nor_another_view() {
        let tables = tables();
        let catalog = Catalog::of_tables(&tables, &[], "sluice");
        let mut session = Session::new(&catalog, &tables, "sluice", None);
        let view = |name: &str| View { name: name.to_owned(), query: "SELECT 1".to_owned(), ..View::default() };
        assert_eq!(session.create_view(view("plain")), Err(SessionError::IsTable("plain".to_owned())));
        session.create_view(view("v")).unwrap();
        assert_eq!(session.create_view(view("v")), Err(SessionError::ViewExists("v".to_owned())));
    }

    #[test]
    fn a_range_of_time_bounds_logical_tables_and_refuses_others() {
        let tables = tables();
        let catalog = Catalog::of_tables(&tables, &[], "sluice");
        let session = Session::new(&catalog, &tables, "sluice", Some(Window { start: 5, end: 9 }));
        let expanded = session.expand("SELECT url FROM {{web-shop}} WHERE {{window}}").unwrap();
        assert_eq!(expanded.sql.as_str().matches("(\"time\" >= 5 AND \"time\" < 9)").count(), 2);
        assert!(expanded.sql.as_str().ends_with("WHERE TRUE      "));
        let unbounded = session.expand("SELECT url FROM {{web-shop}} JOIN plain USING (time)");
        assert_eq!(unbounded, Err(SessionError::Unbounded("plain".to_owned())));
    }

    #[test]
    fn messages_speak_of_the_places_that_the_author_wrote() {
        let tables = tables();
        let catalog = Catalog::of_tables(&tables, &[], "sluice");
        let mut session = Session::new(&catalog, &tables, "sluice", None);
        views(&mut session, "CREATE VIEW v AS SELECT x\nFROM {{web-shop}}");
        let expanded = session.expand("SELECT 1,\n  y FROM v").unwrap();
        let lines: Vec<&str> = expanded.sql.as_str().lines().collect();
        assert_eq!(lines[1..], ["\"v\" AS (SELECT x", "FROM \"web-shop\"  ", ")", "SELECT 1,", "  y FROM v"]);
        for (engine, author) in [
            ("line 6:3: no column 'y'; outline 7", "line 2:3: no column 'y'; outline 7"),
            // `"v" AS (` has eight characters.
            ("line 2:16: no column 'x'", "line 1:8 of the view `v`: no column 'x'"),
            ("line 3:6: this", "line 2:6 of the view `v`: this"),
            ("line 1:2: that", "a logical table: that"),
        ] {
            assert_eq!(expanded.in_words_of_the_author(engine), author);
        }
    }

    #[test]
    fn what_only_a_rule_has_is_refused() {
        let tables = tables();
        let catalog = Catalog::of_tables(&tables, &[], "sluice");
        let session = Session::new(&catalog, &tables, "sluice", None);
        let refused = session.expand("SELECT * FROM {{plain}} WHERE a = {{param:b}}");
        assert_eq!(refused, Err(SessionError::Template("param:b".to_owned())));
        let unknown = session.expand("SELECT * FROM {{plane}}").unwrap_err().to_string();
        assert!(unknown.contains("`plane`") && unknown.contains("plain"), "{unknown}");
    }

    proptest::proptest! {
        /// Whatever a person types is cut and expanded, or refused; and the query comes out with its length in characters.
        #[test]
        fn any_text_is_expanded_or_refused(words in proptest::collection::vec(
            proptest::sample::select(vec![
                "SELECT", "WITH", "RECURSIVE", "FROM", "web_shop", "{{web-shop}}", "{{window}}", "{{", "}}", "(", ")", ",",
                "'", "\"", "\"web-shop\"", "sluice.plain", ";", "--", "\n", "/*", "*/", "*", "AS", "VIEW", "CREATE", "v",
                "SHOW", "TABLES", "DESCRIBE", "EXPLAIN", "LIKE", "漢", ".",
            ]), 0..12,
        )) {
            let tables = tables();
            let catalog = Catalog::of_tables(&tables, &[], "sluice");
            let mut session = Session::new(&catalog, &tables, "sluice", None);
            for (command, _) in commands(&words.join(" ")).unwrap_or_default() {
                match command {
                    Command::CreateView(view) => drop(session.create_view(view)),
                    Command::Query(query) | Command::Explain(query) => {
                        if let Ok(expanded) = session.expand(&query) {
                            let text = expanded.sql.as_str();
                            let own: String = text.split_inclusive('\n').skip(expanded.places.before).collect();
                            proptest::prop_assert_eq!(own.chars().count(), query.chars().count());
                        }
                    }
                    _ => {}
                }
            }
        }
    }
}
