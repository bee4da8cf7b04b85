//! `{{…}}` in the SQL of a rule: where they stand, and what they stand for.

mod named;
mod tokens;

use std::ops::Range;

use crate::form::{is_name, is_table};
use tokens::{Token, tokens, unquoted};

/// SQL cut at its templates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    pub(crate) pieces: Vec<Piece>,
    /// The tables in the order of the text.
    pub(crate) tables: Vec<TableReference>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// SQL as it is.
    Text(Range<usize>),
    /// `{{aws-cloudtrail}}`: the index of a table.
    Table(usize),
    /// `{{window}}` or `{{window:alias}}`: the indices of the tables that it bounds.
    Window(Vec<usize>),
    /// `{{param:name}}`
    Parameter(String, Range<usize>),
}

/// A place where a logical table is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableReference {
    /// `aws-cloudtrail`, `class:process_activity`
    pub(crate) name: String,
    pub(crate) span: Range<usize>,
    /// The name that the statement gives it.
    pub(crate) alias: Option<String>,
    /// The query that reads it: the innermost parentheses around it and the part of a UNION.
    scope: usize,
}

/// What is wrong with a template.
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

/// The place of a window's piece, its alias, the scopes from the innermost outwards, and its span.
type PlacedWindow = (usize, Option<String>, Vec<usize>, Range<usize>);

/// Reads the SQL of a rule. All faults are found.
pub(crate) fn read(sql: &str) -> Result<Template, Vec<TemplateFault>> {
    let tokens = tokens(sql);
    let mut faults = Vec::new();
    let mut fault = |kind, span: &Range<usize>, message: String, help: Option<&str>| {
        faults.push(TemplateFault { kind, span: span.clone(), message, help: help.map(str::to_owned) });
    };
    let mut pieces = Vec::new();
    let mut tables: Vec<TableReference> = Vec::new();
    let mut windows: Vec<PlacedWindow> = Vec::new();
    let mut scopes = vec![0];
    let mut next_scope = 1;
    let mut end_of_last = 0;
    let first_word = tokens.iter().find(|(token, _)| *token != Token::Open);
    if !first_word.is_some_and(|(token, _)| token.is_word("select") || token.is_word("with")) {
        let span = first_word.map_or(0..0, |(_, span)| span.clone());
        fault(FaultKind::NotOneQuery, &span, "a rule's SQL begins with SELECT or WITH".to_owned(), None);
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
            // Each part of a UNION reads its own tables.
            Token::Word(word) if matches!(word.as_str(), "union" | "intersect" | "except") => {
                if let Some(innermost) = scopes.last_mut() {
                    *innermost = next_scope;
                    next_scope += 1;
                }
            }
            Token::Semicolon => {
                let message = "a rule's SQL is one query, without a semicolon".to_owned();
                fault(FaultKind::NotOneQuery, span, message, None);
            }
            Token::QuotedHole => {
                let message = "a template within quotes".to_owned();
                let help = "values come with their quotes; a pattern is concat('%', {{param:name}}, '%')";
                fault(FaultKind::InQuotes, span, message, Some(help));
            }
            Token::Hole(content) => {
                pieces.push(Piece::Text(end_of_last..span.start));
                end_of_last = span.end;
                let content = content.trim();
                if let Some(name) = content.strip_prefix("param:") {
                    if !is_name(name) {
                        let message = format!("`{name}` cannot name a parameter");
                        fault(FaultKind::Bad, span, message, Some("lower-case letters, digits and `_`"));
                    }
                    pieces.push(Piece::Parameter(name.to_owned(), span.clone()));
                } else if content == "window" || content.starts_with("window:") {
                    let alias = content.strip_prefix("window:").map(str::to_owned);
                    if !restricts(&tokens, index) {
                        let message = format!("`{{{{{content}}}}}` does not restrict what is read");
                        let help = "make it a term of its own: WHERE {{window}} AND (… OR …)";
                        fault(FaultKind::NoWindow, span, message, Some(help));
                    }
                    windows.push((pieces.len(), alias, scopes.iter().rev().copied().collect(), span.clone()));
                    pieces.push(Piece::Window(Vec::new()));
                } else if is_table(content) {
                    let scope = scopes.last().copied().unwrap_or_default();
                    let alias = alias_after(&tokens[index + 1..]);
                    pieces.push(Piece::Table(tables.len()));
                    tables.push(TableReference { name: content.to_owned(), span: span.clone(), alias, scope });
                } else {
                    let help = "{{table}}, {{class:name}}, {{window}}, {{window:alias}} or {{param:name}}";
                    fault(FaultKind::Bad, span, format!("`{content}` is no template"), Some(help));
                }
            }
            _ => {}
        }
    }
    pieces.push(Piece::Text(end_of_last..sql.len()));
    let mut bounded = vec![false; tables.len()];
    for (piece, alias, scopes, span) in windows {
        let of_scope = |scope: usize| -> Vec<usize> {
            let of_alias = |table: &TableReference| alias.is_none() || table.alias == alias;
            (0..tables.len()).filter(|index| tables[*index].scope == scope && of_alias(&tables[*index])).collect()
        };
        let found = scopes.iter().map(|scope| of_scope(*scope)).find(|found| !found.is_empty()).unwrap_or_default();
        match (found.len(), &alias) {
            (1, _) => {}
            (0, Some(alias)) => {
                fault(FaultKind::Bad, &span, format!("no table here goes by the name `{alias}`"), None);
            }
            (0, None) => fault(FaultKind::Bad, &span, "no table is read here".to_owned(), None),
            _ => {
                let help = "write `{{window:alias}}` once for every table";
                fault(FaultKind::Bad, &span, "several tables are read here".to_owned(), Some(help));
            }
        }
        found.iter().for_each(|index| bounded[*index] = true);
        pieces[piece] = Piece::Window(found);
    }
    let by_name = named::relations(&tokens);
    for span in &by_name {
        let message = format!("`{}` is read by its own name, whatever the window", &sql[span.clone()]);
        let help = "write the logical table, as {{aws-cloudtrail}}, and {{window}}; a catalog file can name any table";
        fault(FaultKind::ReadByName, span, message, Some(help));
    }
    if tables.is_empty() && by_name.is_empty() {
        let help = "FROM {{aws-cloudtrail}} WHERE {{window}}";
        fault(FaultKind::NoWindow, &(0..0), "the SQL reads no logical table".to_owned(), Some(help));
    }
    for (table, _) in tables.iter().zip(&bounded).filter(|(_, bounded)| !**bounded) {
        let help = match &table.alias {
            Some(alias) => format!("write {{{{window:{alias}}}}} into the WHERE of its SELECT"),
            None => "write {{window}} into the WHERE of its SELECT".to_owned(),
        };
        let message = format!("`{}` is read without bounds of time", table.name);
        fault(FaultKind::NoWindow, &table.span, message, Some(&help));
    }
    if faults.is_empty() { Ok(Template { pieces, tables }) } else { Err(faults) }
}

/// Words with which a clause of a SELECT, a join or another SELECT begins.
const CLAUSES: &[&str] = &[
    "where",
    "join",
    "inner",
    "left",
    "right",
    "full",
    "cross",
    "natural",
    "group",
    "having",
    "order",
    "limit",
    "offset",
    "fetch",
    "union",
    "intersect",
    "except",
    "window",
];

/// Whether the token at `index` is a term of a WHERE or an ON, of which all terms must hold: no OR and no NOT can undo it.
fn restricts(tokens: &[(Token, Range<usize>)], index: usize) -> bool {
    const BEGINS: &[&str] = &["where", "on"];
    const UNDOES: &[&str] = &["or", "case", "when", "then", "else"];
    let is_begin = |before: &Token| match before {
        Token::Word(word) => word == "and" || BEGINS.contains(&word.as_str()),
        token => *token == Token::Open,
    };
    let is_end = |after: &Token| match after {
        Token::Word(word) => word == "and" || CLAUSES.contains(&word.as_str()),
        token => matches!(token, Token::Close | Token::Semicolon),
    };
    // The term, and then the parentheses around it.
    let (mut first, mut last) = (index, index);
    loop {
        let (before, open) = beside(tokens[..first].iter().rev(), &Token::Close, &Token::Open);
        let (after, close) = beside(tokens[last + 1..].iter(), &Token::Open, &Token::Close);
        let begins = before.iter().position(|word| BEGINS.contains(word));
        let ends = after.iter().position(|word| CLAUSES.contains(word)).unwrap_or(after.len());
        let before = &before[..begins.unwrap_or(before.len())];
        let mut terms = before.iter().chain(&after[..ends]);
        let is_term = first.checked_sub(1).is_some_and(|at| is_begin(&tokens[at].0))
            && tokens.get(last + 1).is_none_or(|(after, _)| is_end(after));
        // Behind another clause it is a term of that one, as of HAVING.
        let is_in_clause = !before.iter().any(|word| CLAUSES.contains(word));
        if !is_term || !is_in_clause || terms.any(|word| UNDOES.contains(word)) {
            return false;
        }
        if begins.is_some() {
            return true;
        }
        let (Some(open), Some(close)) = (open, close) else { return false };
        (first, last) = (first - 1 - open, last + 1 + close);
    }
}

/// The words of the same parentheses, and after how many tokens these end.
fn beside<'t>(
    tokens: impl Iterator<Item = &'t (Token, Range<usize>)>,
    deeper: &Token,
    shallower: &Token,
) -> (Vec<&'t str>, Option<usize>) {
    let mut depth = 0_usize;
    let mut words = Vec::new();
    for (at, (token, _)) in tokens.enumerate() {
        match token {
            Token::Word(word) if depth == 0 => words.push(word.as_str()),
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

/// The alias that follows a table: `AS e`, or `e` if that is no word of SQL's own.
fn alias_after(tokens: &[(Token, Range<usize>)]) -> Option<String> {
    const OTHERS: &[&str] = &["on", "using", "tablesample", "match_recognize", "for", "with", "select"];
    let word = |index: usize| tokens.get(index).and_then(|(token, _)| token.word());
    let name = match word(0) {
        Some("as") => word(1),
        Some(word) if !CLAUSES.contains(&word) && !OTHERS.contains(&word) => Some(word),
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
        let no_window = |name: &str| (FaultKind::NoWindow, format!("`{name}` is read without bounds of time"));
        let found = |sql| faults(sql).into_iter().map(|(kind, _, message)| (kind, message)).collect::<Vec<_>>();
        assert_eq!(found("SELECT * FROM {{a}}"), [no_window("a")]);
        assert_eq!(found("SELECT * FROM {{a}} e JOIN {{b}} f ON TRUE WHERE {{window:e}}"), [no_window("b")]);
        // The window of another query bounds nothing here.
        assert_eq!(found("SELECT * FROM {{a}} WHERE x IN (SELECT x FROM {{b}} WHERE {{window}})"), [no_window("a")]);
        assert_eq!(found("SELECT 1 FROM {{a}} WHERE {{window}} UNION ALL SELECT 2 FROM {{b}}"), [no_window("b")]);
        assert_eq!(found("SELECT * FROM {{a}} -- WHERE {{window}}"), [no_window("a")]);
        assert_eq!(found("SELECT * FROM {{a}} WHERE '{{window}}' = ''").len(), 2);
        assert_eq!(found("SELECT 1")[0].0, FaultKind::NoWindow);
    }

    #[test]
    fn a_table_that_is_read_by_its_own_name_is_a_fault() {
        let found = faults("SELECT * FROM {{a}} e JOIN lake.b f ON e.x = f.x WHERE {{window:e}}");
        let message = "`lake.b` is read by its own name, whatever the window".to_owned();
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
    fn templates_that_cannot_be_meant_are_faults_at_their_place() {
        let of = |sql: &str| {
            let (kind, place, message) = faults(sql).remove(0);
            (kind, place.to_owned(), message)
        };
        let select = "SELECT 1 FROM {{a}} e, {{b}} f WHERE {{window:e}} AND {{window:f}}";
        assert_eq!(
            of("SELECT 1 FROM {{a}} WHERE {{window}} AND x LIKE '%{{param:x}}%'"),
            (FaultKind::InQuotes, "{{param:x}}".to_owned(), "a template within quotes".to_owned())
        );
        assert_eq!(of("SELECT 1 FROM {{a}} WHERE {{window}} AND x = \"{{param:x}}\"").0, FaultKind::InQuotes);
        assert_eq!(of(&select.replace("{{window:e}}", "{{window}}")).2, "several tables are read here");
        assert_eq!(of(&select.replace("{{window:e}}", "{{window:g}}")).2, "no table here goes by the name `g`");
        assert_eq!(of("SELECT 1 FROM {{A b}} WHERE {{window}}").2, "`A b` is no template");
        assert_eq!(of("SELECT 1 FROM {{a}} WHERE {{window}} AND {{param:X}}").2, "`X` cannot name a parameter");
        assert_eq!(of("SELECT 1 FROM {{a}} WHERE {{window}};").0, FaultKind::NotOneQuery);
        assert_eq!(of("DELETE FROM {{a}} WHERE {{window}}").0, FaultKind::NotOneQuery);
        assert_eq!(of("SELECT 1 FROM {{a").0, FaultKind::NoWindow);
    }

    #[test]
    fn quotes_and_comments_hide_nothing_else() {
        let sql = "SELECT 'it''s (' AS \"a)\" /* ( */ FROM {{a}} -- )\n WHERE ({{window}})";
        assert_eq!(windows(sql), [[0]]);
        assert_eq!(read(sql).unwrap().tables[0].alias, None);
        // Unfinished text is the engine's to refuse.
        assert!(read("SELECT 1 FROM {{a}} WHERE {{window}} AND x = 'ä").is_ok());
    }
}
