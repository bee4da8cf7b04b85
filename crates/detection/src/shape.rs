//! How much time one statement of a rule may cover, so that a rule finds the same however often it runs.
//!
//! The schedule defines the rule's *scheduled windows*: each has the length `lookback` and ends at a run. A rule finds what
//! it finds in these windows. A query for each window is always right, but slow. Most rules allow more:
//!
//! | shape | rules | time range of one statement |
//! |---|---|---|
//! | [`Shape::Rows`] | each row comes from one event | any |
//! | [`Shape::Pairs`] | each row comes from several events, with `start_time` and `end_time` | any; only rows within a scheduled window |
//! | [`Shape::Groups`] | rows of one event each, with `group_by` | any; groups are counted in each scheduled window |
//! | [`Shape::Windows`] | all others | one scheduled window |

use std::ops::Range;

use crate::pattern;
use crate::rule::{Logic, Rule};
use crate::template::tokens::{AFTER_FROM, Token, tokens};

/// How much time one statement of a rule may cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Any time range: each row comes from one event.
    Rows,
    /// Any time range: each row comes from several events, and names the times of the first and the last.
    Pairs,
    /// Any time range, with groups counted in each scheduled window.
    Groups,
    /// One scheduled window.
    Windows,
}

impl Shape {
    /// The shape of a rule, derived from its text.
    pub fn of(rule: &Rule) -> Self {
        // It has no scheduled windows: all of the time that it is run over is one.
        if rule.schedule.is_on_demand() {
            return Self::Rows;
        }
        let rows = match &rule.logic {
            Logic::Sql(sql) => of_sql(&sql.text.value),
            Logic::Stix { pattern, .. } => of_pattern(rule, &pattern.value),
        };
        match (rows, rule.group_by.is_empty()) {
            (rows, true) => rows,
            (Self::Rows, false) if counts_in_one_statement(rule) => Self::Groups,
            _ => Self::Windows,
        }
    }

    /// Whether a run waits until its events have settled. Otherwise a late event could change rows that were published.
    pub fn waits(self, rule: &Rule) -> bool {
        match self {
            Self::Windows => true,
            Self::Pairs => matches!(rule.logic, Logic::Stix { .. }),
            Self::Rows | Self::Groups => false,
        }
    }
}

/// Whether an event belongs to few enough scheduled windows for one statement: Trino's `sequence` returns at most 10,000
/// numbers.
fn counts_in_one_statement(rule: &Rule) -> bool {
    rule.schedule.rate().is_none_or(|every| rule.lookback / every < 10_000)
}

fn of_pattern(rule: &Rule, pattern: &str) -> Shape {
    let filled = pattern::Filled::with_defaults(rule, pattern);
    let Ok(parsed) = stix::parse(&filled.text, stix::Version::default()) else { return Shape::Windows };
    match pattern::extent(&parsed.root) {
        Some(0) => Shape::Rows,
        Some(extent) if extent <= rule.lookback - rule.schedule.longest_interval() => Shape::Pairs,
        _ => Shape::Windows,
    }
}

/// Words that make a row depend on other events than its own.
const COMBINING: &[&str] = &[
    "group",
    "having",
    "over",
    "distinct",
    "limit",
    "fetch",
    "offset",
    "exists",
    "except",
    "intersect",
    "any",
    "some",
    "all",
    "match_recognize",
    "recursive",
    "tablesample",
    "left",
    "right",
    "full",
    "natural",
];

/// Aggregate functions, which combine rows even without GROUP BY.
pub(crate) const AGGREGATES: &[&str] = &[
    "any_value",
    "approx_distinct",
    "approx_most_frequent",
    "approx_percentile",
    "approx_set",
    "arbitrary",
    "array_agg",
    "avg",
    "bitwise_and_agg",
    "bitwise_or_agg",
    "bitwise_xor_agg",
    "bool_and",
    "bool_or",
    "checksum",
    "corr",
    "covar_pop",
    "covar_samp",
    "count",
    "count_if",
    "every",
    "geometric_mean",
    "histogram",
    "kurtosis",
    "listagg",
    "map_agg",
    "map_union",
    "max",
    "max_by",
    "merge",
    "min",
    "min_by",
    "multimap_agg",
    "numeric_histogram",
    "reduce_agg",
    "regr_intercept",
    "regr_slope",
    "set_agg",
    "set_union",
    "skewness",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "sum",
    "var_pop",
    "var_samp",
    "variance",
];

/// Looks only at the words of the SQL. In doubt the shape is [`Shape::Windows`], which is always right.
fn of_sql(sql: &str) -> Shape {
    let tokens: Vec<(Token, Range<usize>)> = tokens(sql);
    let words: Vec<&str> = tokens.iter().filter_map(|(token, _)| token.word()).collect();
    let token = |index: usize| tokens.get(index).map(|(token, _)| token);
    let is_word = |index: usize, word: &str| token(index).is_some_and(|token| token.is_word(word));
    let mut unions = 0;
    let mut joins = false;
    let mut tables = 0;
    for (index, (current, _)) in tokens.iter().enumerate() {
        match current {
            Token::Hole(content) if is_table(content) => {
                tables += 1;
                // Inside IN (…) or a comparison, a table is not a source of rows.
                if !index.checked_sub(1).is_some_and(|before| reads_from(&tokens, before)) {
                    return Shape::Windows;
                }
            }
            Token::Word(word) => match word.as_str() {
                "union" => unions += 1,
                "all" if index.checked_sub(1).is_some_and(|before| is_word(before, "union")) => {}
                "join" if is_word(index + 1, "unnest") => {}
                "join" => joins = true,
                "in" if is_word(index + 2, "select") || is_word(index + 2, "with") => return Shape::Windows,
                "from" if several_sources(&tokens[index + 1..]) => joins = true,
                word if COMBINING.contains(&word) && !is_member(&tokens, index) => return Shape::Windows,
                word if AGGREGATES.contains(&word) && token(index + 1) == Some(&Token::Open) => return Shape::Windows,
                _ => {}
            },
            _ => {}
        }
    }
    let names = |name: &str| words.contains(&name) || words.contains(&format!("\"{name}\"").as_str());
    match tables == unions + 1 && !joins {
        true if names("time") || names("start_time") || sql.contains('*') => Shape::Rows,
        false if unions == 0 && names("start_time") && names("end_time") => Shape::Pairs,
        _ => Shape::Windows,
    }
}

/// Whether a word follows a dot: fields and columns may have any name, such as `e.group`.
fn is_member(tokens: &[(Token, Range<usize>)], index: usize) -> bool {
    index.checked_sub(1).is_some_and(|before| tokens[before].0 == Token::Dot)
}

fn is_table(hole: &str) -> bool {
    let hole = hole.trim();
    !hole.starts_with("param:") && hole != "window" && !hole.starts_with("window:")
}

/// Whether the next token is a source of rows: after FROM, JOIN or a comma.
fn reads_from(tokens: &[(Token, Range<usize>)], before: usize) -> bool {
    match &tokens[before].0 {
        Token::Word(word) => word == "from" || word == "join",
        token => *token == Token::Comma,
    }
}

/// Whether a FROM lists several sources. UNNEST of the first one does not count.
fn several_sources(after: &[(Token, Range<usize>)]) -> bool {
    let mut depth = 0_usize;
    for (index, (token, _)) in after.iter().enumerate() {
        match token {
            Token::Open => depth += 1,
            Token::Close => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return false,
            },
            Token::Comma if depth == 0 => {
                return !after.get(index + 1).is_some_and(|(next, _)| next.is_word("unnest"));
            }
            Token::Word(word) if depth == 0 && AFTER_FROM.contains(&word.as_str()) => return false,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn is(shape: Shape, sqls: &[&str]) {
        for sql in sqls {
            assert_eq!(of_sql(sql), shape, "{sql}");
        }
    }

    #[test]
    fn rows_of_one_event_each_may_be_looked_for_in_any_time() {
        is(
            Shape::Rows,
            &[
                "SELECT time, x FROM {{t}} WHERE {{window}} AND x = 'a'",
                "SELECT * FROM {{t}} WHERE {{window}} AND x IN ('count(', 'b') AND x NOT IN {{param:p}}",
                "SELECT time, y FROM (SELECT time, lower(x) AS y FROM {{t}} WHERE {{window}}) AS e WHERE y > 'a'",
                "WITH e AS (SELECT time, x FROM {{t}} WHERE {{window}}) SELECT time, x FROM e",
                "SELECT time, o.value FROM {{t}} CROSS JOIN UNNEST(observables) AS u(o) WHERE {{window}}",
                "SELECT time FROM {{t}} e, UNNEST(e.xs) AS u(x) WHERE {{window:e}}",
                "SELECT time FROM {{a}} WHERE {{window}} UNION ALL SELECT time FROM {{b}} WHERE {{window}}",
                "SELECT time, cardinality(xs), e.group FROM {{t}} e WHERE {{window}}",
            ],
        );
    }

    #[test]
    fn rows_that_name_their_first_and_last_event_are_pairs() {
        is(
            Shape::Pairs,
            &[
                "SELECT a.time AS start_time, b.time AS end_time FROM {{t}} a JOIN {{t}} b ON a.x = b.x AND {{window:a}} \
                 AND {{window:b}}",
                "SELECT a.time AS start_time, b.time AS end_time FROM {{t}} a, {{t}} b WHERE {{window:a}} AND {{window:b}}",
            ],
        );
    }

    #[test]
    fn what_other_events_can_change_is_looked_for_in_one_window() {
        is(
            Shape::Windows,
            &[
                "SELECT x, count(*) AS n, min(time) AS time FROM {{t}} WHERE {{window}} GROUP BY x HAVING count(*) > 3",
                "SELECT max(time) AS time FROM {{t}} WHERE {{window}}",
                "SELECT time, row_number() OVER (ORDER BY time) AS n FROM {{t}} WHERE {{window}}",
                "SELECT a.time FROM {{t}} a JOIN {{t}} b ON a.x = b.x WHERE {{window:a}} AND {{window:b}}",
                "SELECT time FROM {{t}} WHERE {{window}} ORDER BY time LIMIT 5",
                "SELECT time FROM {{t}} WHERE {{window}} AND x IN (SELECT x FROM {{u}} WHERE {{window}})",
                "SELECT time FROM {{t}} e WHERE {{window}} AND NOT EXISTS (SELECT 1 FROM {{u}} WHERE {{window}})",
                "SELECT time FROM {{t}} WHERE {{window}} EXCEPT SELECT time FROM {{u}} WHERE {{window}}",
                "SELECT a.time AS start_time, b.time AS end_time FROM {{t}} a LEFT JOIN {{t}} b ON a.x = b.x AND \
                 {{window:b}} WHERE {{window:a}}",
                // Nothing says when its events were.
                "SELECT x FROM {{t}} WHERE {{window}}",
                "WITH e AS (SELECT time, x FROM {{t}} WHERE {{window}}) SELECT a.time FROM e a, e b WHERE a.x = b.x",
            ],
        );
    }
}
