//! Values that would become SQL without correct quoting, and patterns with them.

use stix::pattern::{
    Comparison, ComparisonKind, Literal, ObjectPath, Observation, ObservationKind, Operator, Pattern, Step, Value,
};

/// The pattern of one comparison.
pub fn pattern(object_type: &str, steps: &[Step], operator: Operator) -> Pattern {
    let path = ObjectPath { object_type: object_type.to_owned(), steps: steps.to_vec(), span: 0..0 };
    let kind = ComparisonKind::Test { path, negated: false, operator };
    let comparison = Comparison { kind, span: 0..0 };
    let root = Observation { kind: ObservationKind::Leaf { number: 0, comparison }, span: 0..0 };
    Pattern { root, leaves: 1 }
}

/// A text as a constant of STIX.
pub fn text(value: &str) -> Literal {
    Literal { value: Value::Text(value.to_owned()), span: 0..0 }
}

/// Texts that would become SQL without correct quoting.
pub const HOSTILE: [&str; 8] = [
    "x' OR '1' = '1",
    "x')) OR 1=1 --",
    "x') union all select secret from other.secrets --",
    "'; DROP TABLE t; --",
    "it's",
    "C:\\Windows\\'x",
    "100%_of\\%",
    "O\u{2019}Brien",
];

/// The parts of hostile texts: quotes, backslashes, wildcards, comments, letters of many scripts.
pub const HOSTILE_PIECES: [&str; 40] = [
    "'",
    "''",
    "\\'",
    "\\",
    "\"",
    "`",
    "%",
    "_",
    "\n",
    "\r",
    "\t",
    "\0",
    "--",
    "/*",
    "*/",
    ";",
    ")",
    "((",
    " OR 1=1 ",
    " UNION ALL SELECT * FROM secrets ",
    "##UNNEST(ARRAY[1])##",
    " INTERSECT ",
    "x'00'",
    "U&'\\0027'",
    "E'\\''",
    "{}",
    "${x}",
    "$$",
    "?",
    ":p",
    "\u{2019}",
    "\u{ff07}",
    "\u{1F980}",
    "\u{301}",
    "\u{202E}",
    "İ",
    "ß",
    "0",
    "a",
    "Z",
];

/// The value, and others that it would equal after a mistake in quoting, escaping, folding or trimming.
pub fn near_misses(value: &str) -> Vec<String> {
    let mut all = vec![
        value.to_owned(),
        value.replace('\'', "''"),
        value.replace("''", "'"),
        value.replace('\\', "\\\\"),
        value.replace("\\\\", "\\"),
        value.replace('\\', ""),
        value.replace('\'', "\\'"),
        value.replace(['%', '_'], "x"),
        value.replace('%', "\\%"),
        value.replace('\u{2019}', "'"),
        value.replace('\n', "\\n"),
        value.replace('\r', ""),
        value.replace('\0', ""),
        value.replace(['\u{301}', '\u{202E}'], ""),
        value.trim().to_owned(),
        value.to_lowercase(),
        value.to_uppercase(),
        format!("{value} "),
        format!("{value}x"),
        format!("'{value}'"),
        value.split(['\'', ';', '-']).next().unwrap_or_default().to_owned(),
    ];
    all.extend(value.char_indices().next_back().map(|(at, _)| value[..at].to_owned()));
    all
}
