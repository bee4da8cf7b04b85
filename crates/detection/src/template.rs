//! Templates (`{{…}}`) in the SQL of a rule: their places and meanings.

pub(crate) mod named;
pub(crate) mod row_query;
pub(crate) mod tokens;

use std::ops::Range;

use crate::names::{is_name, is_table};
use tokens::{Token, begins_part, tokens, unquoted};

/// SQL split at its templates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    pub(crate) pieces: Vec<Piece>,
    /// The tables, in the order of the text.
    pub(crate) tables: Vec<TableReference>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// SQL without templates.
    Text(Range<usize>),
    /// `{{aws-cloudtrail}}`: the index of a table.
    Table(usize),
    /// `{{window}}` or `{{window:alias}}`: the indices of the tables that it bounds.
    Window(Vec<usize>),
    /// `{{param:name}}`
    Parameter(String, Range<usize>),
}

/// A use of a logical table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableReference {
    /// `aws-cloudtrail`, `class:process_activity`
    pub(crate) name: String,
    pub(crate) span: Range<usize>,
    /// The alias in the statement.
    pub(crate) alias: Option<String>,
    /// The query that reads it: numbered by the innermost parentheses and the part of a UNION.
    scope: usize,
}

impl TableReference {
    /// A table that does not occur in a text.
    pub(crate) fn named(name: &str) -> Self {
        Self { name: name.to_owned(), span: 0..0, alias: None, scope: 0 }
    }

    /// The same under a name that the statement gives it.
    pub(crate) fn called(self, alias: Option<String>) -> Self {
        Self { alias, ..self }
    }
}

/// A fault of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TemplateFault {
    pub(crate) kind: FaultKind,
    pub(crate) span: Range<usize>,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultKind {
    Bad,
    InQuotes,
    NoWindow,
    NotOneQuery,
    ReadByName,
}

/// A `{{window}}` whose tables are not determined yet.
struct PlacedWindow {
    /// The index of its piece.
    piece: usize,
    alias: Option<String>,
    span: Range<usize>,
    /// The scopes around it, innermost first.
    scopes: Vec<usize>,
    restriction: Option<Restriction>,
}

/// Which tables a term of a WHERE or ON can restrict.
struct Restriction {
    /// The number of parentheses between the term and its clause. The tables are that many scopes out.
    levels: usize,
    /// The part of the text in which the tables must be. An outer join keeps the rows of its other side.
    reach: Range<usize>,
}

/// Parses the SQL of a rule. Returns all faults.
pub(crate) fn read(sql: &str) -> Result<Template, Vec<TemplateFault>> {
    let tokens = tokens(sql);
    let mut reader = Reader { sql, ..Reader::default() };
    reader.cut(&tokens);
    reader.bind_windows();
    reader.check_relations(&tokens);
    match reader.faults[..] {
        [] => Ok(Template { pieces: reader.pieces, tables: reader.tables }),
        _ => Err(reader.faults),
    }
}

#[derive(Default)]
struct Reader<'s> {
    sql: &'s str,
    pieces: Vec<Piece>,
    tables: Vec<TableReference>,
    windows: Vec<PlacedWindow>,
    /// The tables that have a window.
    bounded: Vec<usize>,
    faults: Vec<TemplateFault>,
}

impl Reader<'_> {
    fn fault(&mut self, kind: FaultKind, span: &Range<usize>, message: String, help: Option<&str>) {
        self.faults.push(TemplateFault { kind, span: span.clone(), message, help: help.map(str::to_owned) });
    }

    /// Splits the SQL at its templates.
    fn cut(&mut self, tokens: &[(Token, Range<usize>)]) {
        let mut scopes = vec![0];
        let mut next_scope = 1;
        let mut end_of_last = 0;
        let first_word = tokens.iter().find(|(token, _)| *token != Token::Open);
        if !first_word.is_some_and(|(token, _)| token.is_word("select") || token.is_word("with")) {
            let span = first_word.map_or(0..0, |(_, span)| span.clone());
            self.fault(FaultKind::NotOneQuery, &span, "a rule's SQL must begin with SELECT or WITH".to_owned(), None);
        }
        for (index, (token, span)) in tokens.iter().enumerate() {
            match token {
                Token::Open => {
                    scopes.push(next_scope);
                    next_scope += 1;
                }
                Token::Close if scopes.len() > 1 => {
                    scopes.pop();
                }
                // Each part of a UNION is a scope of its own.
                Token::Word(word) if matches!(word.as_str(), "union" | "intersect" | "except") => {
                    if let Some(innermost) = scopes.last_mut() {
                        *innermost = next_scope;
                        next_scope += 1;
                    }
                }
                Token::Semicolon => {
                    let message = "a rule's SQL must be one query, without a semicolon".to_owned();
                    self.fault(FaultKind::NotOneQuery, span, message, None);
                }
                Token::QuotedHole => {
                    let message = "a template in quotes".to_owned();
                    let help = "values are quoted already; write a pattern as concat('%', {{param:name}}, '%')";
                    self.fault(FaultKind::InQuotes, span, message, Some(help));
                }
                Token::Hole(content) => {
                    self.pieces.push(Piece::Text(end_of_last..span.start));
                    end_of_last = span.end;
                    self.hole(content.trim(), tokens, index, &scopes);
                }
                _ => {}
            }
        }
        self.pieces.push(Piece::Text(end_of_last..self.sql.len()));
    }

    /// Handles the template at `index`. `scopes` are those around it, innermost last.
    fn hole(&mut self, content: &str, tokens: &[(Token, Range<usize>)], index: usize, scopes: &[usize]) {
        let span = &tokens[index].1;
        if let Some(name) = content.strip_prefix("param:") {
            if !is_name(name) {
                let message = format!("`{name}` is not a valid parameter name");
                self.fault(FaultKind::Bad, span, message, Some("use lower-case letters, digits and `_`"));
            }
            self.pieces.push(Piece::Parameter(name.to_owned(), span.clone()));
        } else if content == "window" || content.starts_with("window:") {
            self.windows.push(PlacedWindow {
                piece: self.pieces.len(),
                alias: content.strip_prefix("window:").map(str::to_owned),
                span: span.clone(),
                scopes: scopes.iter().rev().copied().collect(),
                restriction: restriction(tokens, index),
            });
            self.pieces.push(Piece::Window(Vec::new()));
        } else if is_table(content) {
            self.table(content.to_owned(), span, tokens, index, scopes);
        } else {
            let near = content.to_lowercase();
            let is_near = is_table(&near);
            let help = match is_near {
                true => format!("write names in lower case: {{{{{near}}}}}"),
                false => "write {{table}}, {{class:name}}, {{window}}, {{window:alias}} or {{param:name}}".to_owned(),
            };
            self.fault(FaultKind::Bad, span, format!("unknown template `{content}`"), Some(&help));
            if is_near {
                self.table(near, span, tokens, index, scopes);
            }
        }
    }

    /// Adds the table `name`, whose template is the token at `index`.
    fn table(
        &mut self,
        name: String,
        span: &Range<usize>,
        tokens: &[(Token, Range<usize>)],
        index: usize,
        scopes: &[usize],
    ) {
        let scope = scopes.last().copied().unwrap_or_default();
        let alias = alias_after(&tokens[index + 1..]);
        self.pieces.push(Piece::Table(self.tables.len()));
        self.tables.push(TableReference { name, span: span.clone(), alias, scope });
    }

    /// Determines the tables of every window.
    fn bind_windows(&mut self) {
        for PlacedWindow { piece, alias, span, scopes, restriction } in std::mem::take(&mut self.windows) {
            let is_meant = |table: &TableReference, scope: usize| {
                table.scope == scope && (alias.is_none() || table.alias == alias)
            };
            let of_scope = |scope: &usize| -> Vec<usize> {
                (0..self.tables.len()).filter(|index| is_meant(&self.tables[*index], *scope)).collect()
            };
            let candidates = match &restriction {
                Some(restriction) => scopes.get(restriction.levels..=restriction.levels).unwrap_or_default(),
                None => &scopes,
            };
            let found = candidates.iter().map(of_scope).find(|found| !found.is_empty()).unwrap_or_default();
            let no_restriction = |help| {
                let message = format!("`{}` does not bound any table here", &self.sql[span.clone()]);
                Some((FaultKind::NoWindow, message, Some(help)))
            };
            let wrong = match (&found[..], &alias, &restriction) {
                (_, _, None) => no_restriction("make it a top-level AND condition: WHERE {{window}} AND (… OR …)"),
                ([table], _, Some(restriction)) if restriction.reach.contains(&self.tables[*table].span.start) => None,
                ([_], _, _) => no_restriction("the outer join keeps rows outside the window: move it to the WHERE"),
                ([], Some(alias), _) => Some((FaultKind::Bad, format!("no table here has the alias `{alias}`"), None)),
                ([], None, _) => Some((FaultKind::Bad, "the SELECT reads no table".to_owned(), None)),
                _ => {
                    let help = "write one `{{window:alias}}` for each table";
                    Some((FaultKind::Bad, "the SELECT reads several tables".to_owned(), Some(help)))
                }
            };
            if let Some((kind, message, help)) = wrong {
                self.fault(kind, &span, message, help);
            }
            self.bounded.extend(&found);
            self.pieces[piece] = Piece::Window(found);
        }
    }

    /// Checks that the SQL reads only logical tables, each with a window.
    fn check_relations(&mut self, tokens: &[(Token, Range<usize>)]) {
        let by_name = named::relations(tokens);
        for span in &by_name {
            let message = format!("`{}` is read by its own name, without a window", &self.sql[span.clone()]);
            let help =
                "write a logical table, such as {{aws-cloudtrail}}, with {{window}}; a catalog file can name any table";
            self.fault(FaultKind::ReadByName, span, message, Some(help));
        }
        if self.tables.is_empty() && by_name.is_empty() {
            let help = "for example FROM {{aws-cloudtrail}} WHERE {{window}}";
            self.fault(FaultKind::NoWindow, &(0..0), "the SQL reads no logical table".to_owned(), Some(help));
        }
        for (index, table) in self.tables.clone().iter().enumerate() {
            if self.bounded.contains(&index) {
                continue;
            }
            let help = match &table.alias {
                Some(alias) => format!("add {{{{window:{alias}}}}} to the WHERE of its SELECT"),
                None => "add {{window}} to the WHERE of its SELECT".to_owned(),
            };
            let message = format!("`{}` is read without time bounds", table.name);
            self.fault(FaultKind::NoWindow, &table.span, message, Some(&help));
        }
    }
}

/// What the token at `index` restricts: it must be a top-level AND term of a WHERE or ON. `None` if an OR or NOT is around
/// it.
fn restriction(tokens: &[(Token, Range<usize>)], index: usize) -> Option<Restriction> {
    const BEGINS: &[&str] = &["where", "on"];
    const UNDOES: &[&str] = &["or", "case", "when", "then", "else"];
    let is_begin = |before: &Token| match before {
        Token::Word(word) => word == "and" || BEGINS.contains(&word.as_str()),
        token => *token == Token::Open,
    };
    let is_end = |after: &Token| match after {
        Token::Word(word) => word == "and" || begins_part(word),
        token => matches!(token, Token::Close | Token::Semicolon),
    };
    // First the term itself, then the parentheses around it.
    let (mut first, mut last, mut levels) = (index, index, 0);
    loop {
        let (words_before, open) = beside(tokens[..first].iter().rev(), &Token::Close, &Token::Open);
        let (words_after, close) = beside(tokens[last + 1..].iter(), &Token::Open, &Token::Close);
        let clause = words_before.iter().position(|(_, word)| BEGINS.contains(word));
        let ends = words_after.iter().position(|(_, word)| begins_part(word)).unwrap_or(words_after.len());
        let before = &words_before[..clause.unwrap_or(words_before.len())];
        let mut terms = before.iter().chain(&words_after[..ends]);
        let is_term = first.checked_sub(1).is_some_and(|at| is_begin(&tokens[at].0))
            && tokens.get(last + 1).is_none_or(|(after, _)| is_end(after));
        // A term of another clause, such as HAVING.
        let is_in_clause = !before.iter().any(|(_, word)| begins_part(word));
        if !is_term || !is_in_clause || terms.any(|(_, word)| UNDOES.contains(word)) {
            return None;
        }
        if let Some(clause) = clause {
            let reach = match words_before[clause] {
                (_, "on") => {
                    let (at, kind) = join_of_on(&words_before[clause + 1..])?;
                    let join = tokens[first - 1 - at].1.start;
                    match kind {
                        "left" => join..usize::MAX,
                        "right" => 0..join,
                        "full" => 0..0,
                        _ => 0..usize::MAX,
                    }
                }
                _ => 0..usize::MAX,
            };
            return Some(Restriction { levels, reach });
        }
        let (open, close) = (open?, close?);
        (first, last, levels) = (first - 1 - open, last + 1 + close, levels + 1);
    }
}

/// The place of an ON's join, and the word that tells which side it keeps. `before` are the words before the ON, nearest
/// first.
fn join_of_on<'t>(before: &[(usize, &'t str)]) -> Option<(usize, &'t str)> {
    let mut conditions = 1;
    for (place, (at, word)) in before.iter().enumerate() {
        let kind = before[place + 1..].iter().map(|(_, word)| *word).find(|word| *word != "outer").unwrap_or_default();
        match *word {
            "on" | "using" => conditions += 1,
            "join" if matches!(kind, "cross" | "natural") => {}
            "join" if conditions == 1 => return Some((*at, kind)),
            "join" => conditions -= 1,
            _ => {}
        }
    }
    None
}

/// The words of the same parentheses with their places, and the number of tokens until the parentheses end.
fn beside<'t>(
    tokens: impl Iterator<Item = &'t (Token, Range<usize>)>,
    deeper: &Token,
    shallower: &Token,
) -> (Vec<(usize, &'t str)>, Option<usize>) {
    let mut depth = 0_usize;
    let mut words = Vec::new();
    for (at, (token, _)) in tokens.enumerate() {
        match token {
            Token::Word(word) if depth == 0 => words.push((at, word.as_str())),
            token if token == deeper => depth += 1,
            token if token == shallower => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return (words, Some(at)),
            },
            _ => {}
        }
    }
    (words, None)
}

/// The alias after a table: `AS e`, or `e` if it is not a keyword.
fn alias_after(tokens: &[(Token, Range<usize>)]) -> Option<String> {
    const OTHERS: &[&str] = &["on", "using", "tablesample", "match_recognize", "for", "with", "select"];
    let word = |index: usize| tokens.get(index).and_then(|(token, _)| token.word());
    let name = match word(0) {
        Some("as") => word(1),
        Some(word) if !begins_part(word) && !OTHERS.contains(&word) => Some(word),
        _ => None,
    };
    name.map(unquoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(sql: &str) -> Vec<(FaultKind, &str, String)> {
        let faults = read(sql).unwrap_err();
        faults.into_iter().map(|fault| (fault.kind, &sql[fault.span], fault.message)).collect()
    }

    fn windows(sql: &str) -> Vec<Vec<usize>> {
        let pieces = read(sql).unwrap().pieces;
        let windows = pieces.into_iter().filter_map(|piece| match piece {
            Piece::Window(tables) => Some(tables),
            _ => None,
        });
        windows.collect()
    }

    #[test]
    fn a_window_belongs_to_the_table_of_its_select() {
        assert_eq!(windows("SELECT * FROM {{a}} WHERE {{window}} AND x = 1"), [[0]]);
        assert_eq!(
            windows("SELECT * FROM {{a}} WHERE (x = 1 OR y = 2) AND ((z = 3) AND ({{window}})) GROUP BY z"),
            [[0]]
        );
        assert_eq!(windows("SELECT * FROM {{a}} e LEFT JOIN {{b}} f ON {{window:f}} WHERE {{window:e}}"), [[1], [0]]);
        assert_eq!(
            windows("SELECT * FROM {{a}} AS e JOIN {{b}} f ON e.x = f.x WHERE {{window:f}} AND {{window:e}}"),
            [[1], [0]]
        );
        assert_eq!(
            windows("WITH x AS (SELECT 1 FROM {{a}} WHERE {{window}}) SELECT * FROM {{b}} WHERE {{window}}"),
            [[0], [1]]
        );
        assert_eq!(
            windows("SELECT 1 FROM {{a}} WHERE {{window}} UNION ALL SELECT 2 FROM {{b}} WHERE {{window}}"),
            [[0], [1]]
        );
        assert_eq!(windows("SELECT 1 FROM {{a}} \"E\" WHERE {{window:E}}"), [[0]]);
    }

    #[test]
    fn a_table_without_a_window_is_a_fault() {
        let no_window = |name: &str| (FaultKind::NoWindow, format!("`{name}` is read without time bounds"));
        let found = |sql| faults(sql).into_iter().map(|(kind, _, message)| (kind, message)).collect::<Vec<_>>();
        assert_eq!(found("SELECT * FROM {{a}}"), [no_window("a")]);
        assert_eq!(found("SELECT * FROM {{a}} e JOIN {{b}} f ON TRUE WHERE {{window:e}}"), [no_window("b")]);
        // The window belongs to another query.
        assert_eq!(found("SELECT * FROM {{a}} WHERE x IN (SELECT x FROM {{b}} WHERE {{window}})"), [no_window("a")]);
        assert_eq!(found("SELECT 1 FROM {{a}} WHERE {{window}} UNION ALL SELECT 2 FROM {{b}}"), [no_window("b")]);
        assert_eq!(found("SELECT * FROM {{a}} -- WHERE {{window}}"), [no_window("a")]);
        assert_eq!(found("SELECT * FROM {{a}} WHERE '{{window}}' = ''").len(), 2);
        assert_eq!(found("SELECT 1")[0].0, FaultKind::NoWindow);
    }

    #[test]
    fn a_table_that_is_read_by_its_own_name_is_a_fault() {
        let found = faults("SELECT * FROM {{a}} e JOIN lake.b f ON e.x = f.x WHERE {{window:e}}");
        let message = "`lake.b` is read by its own name, without a window".to_owned();
        assert_eq!(found, [(FaultKind::ReadByName, "lake.b", message)]);
        assert_eq!(faults("SELECT * FROM lake.a WHERE time > 1").len(), 1);
    }

    #[test]
    fn a_window_that_need_not_hold_is_a_fault() {
        for condition in [
            "{{window}} OR TRUE",
            "TRUE OR {{window}}",
            "x = 1 OR y = 2 AND {{window}}",
            "NOT {{window}}",
            "NOT ({{window}})",
            "(({{window}}) OR FALSE)",
            "(x = 1 AND {{window}}) OR y = 2",
            "coalesce({{window}}, TRUE)",
            "CASE WHEN x = 1 AND {{window}} THEN TRUE ELSE TRUE END",
            "{{window}} IS NULL",
            "x = {{window}}",
            "ARRAY[{{window}}][1]",
            "any_match(ARRAY[x], y -> {{window}})",
        ] {
            let sql = format!("SELECT * FROM {{{{a}}}} WHERE {condition} GROUP BY x");
            let found = faults(&sql);
            assert_eq!(found.len(), 1, "{sql}: {found:?}");
            assert_eq!((found[0].0, found[0].1), (FaultKind::NoWindow, "{{window}}"), "{sql}");
        }
        assert_eq!(faults("SELECT {{window}} FROM {{a}}").len(), 1);
        assert_eq!(faults("SELECT x FROM {{a}} GROUP BY x HAVING {{window}}").len(), 1);
        assert_eq!(faults("SELECT x FROM {{a}} WHERE x = 1 GROUP BY x HAVING x > 0 AND {{window}}").len(), 1);
    }

    #[test]
    fn a_window_that_an_outer_join_undoes_is_a_fault() {
        let of = |join: &str, on: &str, condition: &str| {
            let sql = format!("SELECT * FROM {{{{a}}}} e {join} {{{{b}}}} f ON {on} WHERE {condition}");
            read(&sql)
                .err()
                .map(|faults| faults.into_iter().map(|fault| sql[fault.span].to_owned()).collect::<Vec<_>>())
        };
        let (e, f) = ("{{window:e}}", "{{window:f}}");
        for (join, on, condition, undone) in [
            ("JOIN", e, f, None),
            ("INNER JOIN", f, e, None),
            ("LEFT JOIN", f, e, None),
            ("LEFT JOIN", e, f, Some(e)),
            ("LEFT OUTER JOIN", "(x = y AND ({{window:e}}))", f, Some(e)),
            ("RIGHT JOIN", e, f, None),
            ("RIGHT OUTER JOIN", f, e, Some(f)),
            ("FULL JOIN", e, f, Some(e)),
            ("FULL OUTER JOIN", f, e, Some(f)),
        ] {
            assert_eq!(of(join, on, condition), undone.map(|window| vec![window.to_owned()]), "{join} {on}");
        }
        // The second ON belongs to the first join.
        let nested = |outer: &str, inner: &str, first: &str, second: &str| {
            let sql = format!(
                "SELECT * FROM {{{{a}}}} e {outer} {{{{b}}}} f CROSS JOIN {{{{c}}}} h {inner} {{{{d}}}} g ON {first} ON {second} \
                 WHERE {{{{window:f}}}} AND {{{{window:h}}}} AND {{{{window:g}}}}"
            );
            read(&sql).is_ok()
        };
        assert!(nested("JOIN", "LEFT JOIN", "x = y", e));
        assert!(!nested("LEFT JOIN", "JOIN", "x = y", e));
        assert!(!nested("FULL JOIN", "JOIN", "x = y", e));
    }

    #[test]
    fn a_window_bounds_only_the_query_in_whose_where_it_stands() {
        let found = |sql| faults(sql).into_iter().map(|(_, place, message)| (place, message)).collect::<Vec<_>>();
        // The window empties the subquery, but not the query around it.
        let sql = "SELECT (SELECT max(x) FROM {{b}} f WHERE {{window:f}} AND {{window:e}}) FROM {{a}} e";
        assert_eq!(found(sql)[0], ("{{window:e}}", "no table here has the alias `e`".to_owned()));
        let sql = "SELECT * FROM {{a}} WHERE NOT EXISTS (SELECT 1 WHERE {{window}})";
        assert_eq!(found(sql)[0], ("{{window}}", "the SELECT reads no table".to_owned()));
    }

    #[test]
    fn templates_that_cannot_be_meant_are_faults_at_their_place() {
        let of = |sql: &str| {
            let (kind, place, message) = faults(sql).remove(0);
            (kind, place.to_owned(), message)
        };
        let select = "SELECT 1 FROM {{a}} e, {{b}} f WHERE {{window:e}} AND {{window:f}}";
        assert_eq!(
            of("SELECT 1 FROM {{a}} WHERE {{window}} AND x LIKE '%{{param:x}}%'"),
            (FaultKind::InQuotes, "{{param:x}}".to_owned(), "a template in quotes".to_owned())
        );
        assert_eq!(of("SELECT 1 FROM {{a}} WHERE {{window}} AND x = \"{{param:x}}\"").0, FaultKind::InQuotes);
        assert_eq!(of(&select.replace("{{window:e}}", "{{window}}")).2, "the SELECT reads several tables");
        assert_eq!(of(&select.replace("{{window:e}}", "{{window:g}}")).2, "no table here has the alias `g`");
        assert_eq!(of("SELECT 1 FROM {{A b}} WHERE {{window}}").2, "unknown template `A b`");
        assert_eq!(of("SELECT 1 FROM {{a}} WHERE {{window}} AND {{param:X}}").2, "`X` is not a valid parameter name");
        assert_eq!(of("SELECT 1 FROM {{a}} WHERE {{window}};").0, FaultKind::NotOneQuery);
        assert_eq!(of("DELETE FROM {{a}} WHERE {{window}}").0, FaultKind::NotOneQuery);
        assert_eq!(of("SELECT 1 FROM {{a").0, FaultKind::NoWindow);
    }

    #[test]
    fn quotes_and_comments_hide_nothing_else() {
        let sql = "SELECT 'it''s (' AS \"a)\" /* ( */ FROM {{a}} -- )\n WHERE ({{window}})";
        assert_eq!(windows(sql), [[0]]);
        assert_eq!(read(sql).unwrap().tables[0].alias, None);
        // The engine reports an unterminated text.
        assert!(read("SELECT 1 FROM {{a}} WHERE {{window}} AND x = 'ä").is_ok());
    }
}
