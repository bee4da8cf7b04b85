//! Parses the JSONPaths of a config, checks their types, and refuses those that the evaluator would get wrong.
//!
//! A path of names and indices becomes a list of steps and is never given to the general evaluator. Every other query
//! goes to jsonpath-rust, which parses RFC 9535 but (in 1.0) does not check the types of function arguments (RFC 9535
//! §2.4.3), has functions that the RFC does not have, and deviates from the RFC in three forms. Several selectors in
//! one segment return results selector by selector instead of node by node. A filter directly below `@` tests the node
//! instead of its children. `count()` of nothing is nothing instead of 0. All of these are refused here.

use jsonpath_rust::parser::errors::JsonPathError;
use jsonpath_rust::parser::model::{
    Comparable, Comparison, Filter, FilterAtom, FnArg, Literal, Segment, Selector, Test, TestFunction,
};
use jsonpath_rust::parser::parse_json_path;

use crate::config::{JsonPath, PathRoot, Step};
use crate::diagnostic::{Code, quote};

/// Why a text is not a usable path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathFault {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    /// Byte of the text where parsing stopped, for a syntax error.
    pub(crate) offset: Option<usize>,
}

impl PathFault {
    fn inexact(message: impl Into<String>, help: impl Into<String>) -> PathFault {
        PathFault { code: Code::InexactJsonPath, message: message.into(), help: Some(help.into()), offset: None }
    }
}

/// Whether a text is a path rather than a constant. `@` starts a path only inside `$each`.
pub(crate) fn is_path(text: &str, inside_each: bool) -> bool {
    let rest = match text.strip_prefix('$') {
        Some(rest) => return rest.starts_with(['.', '[']),
        None => text.strip_prefix('@'),
    };
    inside_each && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Parses a path. The text starts with `$` or `@`.
pub(crate) fn parse_path(text: &str) -> Result<JsonPath, PathFault> {
    let root = if text.starts_with('@') { PathRoot::Element } else { PathRoot::Document };
    let path = |singular| JsonPath { text: text.to_owned(), root, singular };
    if let Some(steps) = plain_names(text.get(1..).unwrap_or_default()) {
        return Ok(path(Some(steps)));
    }
    let query = format!("${}", text.get(1..).unwrap_or_default());
    if let Some(offset) = blank_in_name(text) {
        let message = format!("{} is not a JSONPath: white space inside a name", quote(text));
        return Err(PathFault {
            code: Code::NotAJsonPath,
            message,
            help: in_brackets(text).map(did_you_mean),
            offset: Some(offset),
        });
    }
    let parsed = parse_json_path(&query).map_err(|error| not_a_path(text, &error))?;
    let singular: Option<Vec<Step>> = parsed.segments.iter().map(step).collect();
    if singular.is_none() {
        check_segments(&parsed.segments, Base::Root)?;
    }
    Ok(path(singular))
}

/// `.a.b_1.c`, by far the most common form, without the grammar machine.
fn plain_names(text: &str) -> Option<Vec<Step>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let is_plain = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let names = text.strip_prefix('.')?.split('.');
    names.map(|name| is_plain(name).then(|| Step::Name(name.to_owned()))).collect()
}

fn step(segment: &Segment) -> Option<Step> {
    match segment {
        Segment::Selector(Selector::Name(name)) => Some(Step::Name(name.clone())),
        Segment::Selector(Selector::Index(index)) => Some(Step::Index(*index)),
        _ => None,
    }
}

fn not_a_path(text: &str, error: &JsonPathError) -> PathFault {
    let offset = match error {
        JsonPathError::PestError(error) => Some(match error.location {
            pest::error::InputLocation::Pos(at) | pest::error::InputLocation::Span((at, _)) => at,
        }),
        _ => None,
    };
    let message = match error {
        JsonPathError::PestError(_) => format!("{} is not a JSONPath", quote(text)),
        JsonPathError::MaxNestingDepthExceeded(depth) => {
            return PathFault::inexact(
                format!("brackets nest deeper than {depth}"),
                "split the query, or select with `$when` and `$each`",
            );
        }
        JsonPathError::InvalidJsonPath(reason) => {
            format!("{} is not a JSONPath: {reason}", quote(text))
        }
        _ => format!("{} is not a JSONPath", quote(text)),
    };
    PathFault { code: Code::NotAJsonPath, message, help: in_brackets(text).map(did_you_mean), offset }
}

fn did_you_mean(better: String) -> String {
    format!("did you mean {}?", quote(&better))
}

/// Where white space separates two characters of names outside quotes, which the grammar forbids and jsonpath-rust
/// reads as one name.
fn blank_in_name(text: &str) -> Option<usize> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii();
    let mut quote = None;
    let mut escaped = false;
    let mut after_name = false;
    let mut blank = None;
    for (at, c) in text.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if matches!(c, ' ' | '\t' | '\n' | '\r') => {
                if after_name {
                    blank.get_or_insert(at);
                }
            }
            None => {
                if is_name(c) && blank.is_some() {
                    return blank;
                }
                quote = matches!(c, '\'' | '"').then_some(c);
                after_name = is_name(c);
                blank = None;
            }
        }
    }
    None
}

/// The path with brackets around every name that needs them, if the result is a valid path.
fn in_brackets(text: &str) -> Option<String> {
    if text.contains(['[', '\'', '"', '\\']) {
        return None;
    }
    let (root, rest) = text.split_at_checked(1)?;
    let mut better = root.to_owned();
    for name in rest.strip_prefix('.')?.split('.') {
        if name.is_empty() {
            return None;
        }
        if plain_names(&format!(".{name}")).is_some() || name == "*" {
            better.push('.');
            better.push_str(name);
        } else {
            better.push_str(&format!("['{name}']"));
        }
    }
    let query = format!("${}", better.get(1..)?);
    parse_json_path(&query).is_ok().then_some(better)
}

/// The start of a list of segments.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Base {
    /// `$`.
    Root,
    /// `@` inside a filter.
    Current,
}

fn check_segments(segments: &[Segment], base: Base) -> Result<(), PathFault> {
    let mut one_node = true;
    for (index, segment) in segments.iter().enumerate() {
        let (selectors, descends) = match segment {
            Segment::Descendant(inner) => (selectors(inner), true),
            _ => (selectors(segment), false),
        };
        if selectors.len() > 1 && (descends || !one_node) {
            return Err(PathFault::inexact(
                "several selectors in one segment, after a segment that may select several nodes, would come in \
                 another order than RFC 9535 says",
                "write a list with one path for each selector",
            ));
        }
        for selector in selectors {
            if let Selector::Filter(filter) = selector {
                if index == 0 && base == Base::Current {
                    return Err(PathFault::inexact(
                        "a filter directly below `@` is not supported",
                        "name the member to filter: `@.items[?…]`, or use `$each` with `where`",
                    ));
                }
                check_filter(filter)?;
            }
        }
        one_node &= !descends && step(segment).is_some();
    }
    Ok(())
}

fn selectors(segment: &Segment) -> &[Selector] {
    match segment {
        Segment::Selector(selector) => std::slice::from_ref(selector),
        Segment::Selectors(selectors) => selectors,
        Segment::Descendant(inner) => selectors(inner),
    }
}

fn check_filter(filter: &Filter) -> Result<(), PathFault> {
    match filter {
        Filter::Or(filters) | Filter::And(filters) => filters.iter().try_for_each(check_filter),
        Filter::Atom(FilterAtom::Filter { expr, .. }) => check_filter(expr),
        Filter::Atom(FilterAtom::Comparison(comparison)) => check_comparison(comparison),
        Filter::Atom(FilterAtom::Test { expr, .. }) => check_test(expr),
    }
}

fn check_test(test: &Test) -> Result<(), PathFault> {
    match test {
        Test::RelQuery(segments) => check_segments(segments, Base::Current),
        Test::AbsQuery(query) => check_segments(&query.segments, Base::Root),
        Test::Function(function) => match function.as_ref() {
            TestFunction::Match(..) | TestFunction::Search(..) => check_function(function),
            TestFunction::Custom(..) => Err(no_such_function()),
            TestFunction::Length(_) | TestFunction::Value(_) | TestFunction::Count(_) => Err(PathFault::inexact(
                "the function returns a value, not true or false",
                "compare it: `length(@.x) > 0`",
            )),
        },
    }
}

fn check_comparison(comparison: &Comparison) -> Result<(), PathFault> {
    let (left, right) = comparison.vals();
    for side in [left, right] {
        match side {
            Comparable::Literal(literal) => check_literal(literal)?,
            Comparable::SingularQuery(_) => {}
            Comparable::Function(function) => check_function(function)?,
        }
    }
    Ok(())
}

/// Numbers are compared as 64-bit floats, so an integer beyond 2^53 would equal its neighbours.
fn check_literal(literal: &Literal) -> Result<(), PathFault> {
    const LARGEST: i64 = 1 << 53;
    let exact = match literal {
        Literal::Int(value) => (-LARGEST..=LARGEST).contains(value),
        Literal::Float(value) => value.is_finite(),
        Literal::String(_) | Literal::Bool(_) | Literal::Null => true,
    };
    if exact {
        return Ok(());
    }
    Err(PathFault::inexact(
        "numbers beyond ±2^53 are not compared exactly",
        "compare as text, with `$when` and `equals`",
    ))
}

fn check_function(function: &TestFunction) -> Result<(), PathFault> {
    match function {
        TestFunction::Length(argument) => check_value_argument("length", argument),
        TestFunction::Match(text, pattern) => check_pattern_function("match", text, pattern),
        TestFunction::Search(text, pattern) => check_pattern_function("search", text, pattern),
        TestFunction::Value(argument) => match argument {
            FnArg::Test(test) => match test.as_ref() {
                Test::RelQuery(_) | Test::AbsQuery(_) => check_test(test),
                Test::Function(_) => Err(ill_typed("value", "a query")),
            },
            FnArg::Literal(_) | FnArg::Filter(_) => Err(ill_typed("value", "a query")),
        },
        TestFunction::Count(_) => Err(PathFault::inexact(
            "`count()` of a query that selects nothing would return nothing instead of 0",
            "test for existence: `?@.x`, or use `length()` of an array",
        )),
        TestFunction::Custom(..) => Err(no_such_function()),
    }
}

fn check_pattern_function(name: &str, text: &FnArg, pattern: &FnArg) -> Result<(), PathFault> {
    check_value_argument(name, text)?;
    check_value_argument(name, pattern)?;
    if let FnArg::Literal(Literal::String(pattern)) = pattern
        && regex::Regex::new(pattern).is_err()
    {
        return Err(PathFault::inexact(
            format!("the pattern of `{name}()` does not compile, so it would match nothing"),
            "fix the regular expression",
        ));
    }
    Ok(())
}

/// RFC 9535 §2.4.3: a literal, a singular query, or a function that gives a value.
fn check_value_argument(name: &str, argument: &FnArg) -> Result<(), PathFault> {
    match argument {
        FnArg::Literal(_) => Ok(()),
        FnArg::Test(test) => match test.as_ref() {
            Test::RelQuery(segments) if segments.iter().all(|segment| step(segment).is_some()) => Ok(()),
            Test::AbsQuery(query) if query.segments.iter().all(|segment| step(segment).is_some()) => Ok(()),
            Test::Function(function) if function.is_comparable() => check_function(function),
            _ => Err(ill_typed(name, "a single value")),
        },
        FnArg::Filter(_) => Err(ill_typed(name, "a single value")),
    }
}

fn ill_typed(function: &str, expected: &str) -> PathFault {
    PathFault::inexact(
        format!("an argument of `{function}()` is not {expected}"),
        "see RFC 9535 §2.4 for the arguments of each function",
    )
}

fn no_such_function() -> PathFault {
    PathFault::inexact(
        "RFC 9535 has no such function",
        "valid functions are `length`, `match`, `search` and `value`; to test for a set of constants, use `$each` with `where` and `in`",
    )
}

#[cfg(test)]
mod tests {
    use jsonpath_rust::JsonPath as _;
    use serde_json::json;

    use super::*;

    fn names(names: &[&str]) -> Option<Vec<Step>> {
        Some(names.iter().map(|name| Step::Name((*name).to_owned())).collect())
    }

    #[test]
    fn paths_of_names_and_indices_become_steps() {
        for (text, steps) in [
            ("$.a.b_1", names(&["a", "b_1"])),
            ("$['a'][\"b c\"]", names(&["a", "b c"])),
            ("$.a['b\\u0063']", names(&["a", "bc"])),
            ("$.ä", names(&["ä"])),
            ("@", Some(vec![])),
            ("@.x", names(&["x"])),
            ("$.a[-1].b", Some(vec![Step::Name("a".into()), Step::Index(-1), Step::Name("b".into())])),
            ("$.a[*]", None),
            ("$..a", None),
            ("$.a[0,1]", None),
            ("$.a[?@.b]", None),
        ] {
            assert_eq!(parse_path(text).unwrap().singular, steps, "{text}");
        }
        let element = parse_path("@.x[*]").unwrap();
        assert_eq!((element.root, element.query().as_str()), (PathRoot::Element, "$.x[*]"));
    }

    #[test]
    fn a_text_is_a_path_only_by_its_first_characters() {
        for text in ["$.a", "$[0]", "$..a"] {
            assert!(is_path(text, false), "{text}");
        }
        for text in ["$", "$a", "$UserDefined.x", "@.a", "@", "a$.b", ""] {
            assert!(!is_path(text, false), "{text}");
        }
        for text in ["@", "@.a", "@['a']"] {
            assert!(is_path(text, true), "{text}");
        }
        assert!(!is_path("@home", true));
    }

    #[test]
    fn a_name_that_needs_brackets_is_given_them_in_the_help() {
        let fault = parse_path("$.event.request-id").unwrap_err();
        assert_eq!(fault.code, Code::NotAJsonPath);
        assert_eq!(fault.help.as_deref(), Some("did you mean `$.event['request-id']`?"));
        assert_eq!(fault.offset, Some(15));
        assert_eq!(parse_path("$.0").unwrap_err().help.as_deref(), Some("did you mean `$['0']`?"));
        assert_eq!(parse_path("$.a.").unwrap_err().help, None);
        assert_eq!(parse_path("$.a b.c").unwrap_err().help.as_deref(), Some("did you mean `$['a b'].c`?"));
        for text in [
            "$.",
            "$[",
            "$.a[",
            "$[?@.a b]",
            "$[1 2]",
            "$[01]",
            "$['a]",
            "$.a[?]",
            "$.a[?@.b=1]",
            "$[9007199254740992]",
        ] {
            assert_eq!(parse_path(text).unwrap_err().code, Code::NotAJsonPath, "{text}");
        }
    }

    /// The forms of RFC 9535's compliance suite that jsonpath-rust accepts though they are ill-typed, those that it
    /// evaluates otherwise, and its own additions to the language.
    #[test]
    fn a_query_that_would_not_be_exact_is_refused() {
        for text in [
            "$[?length(@.*)<3]",
            "$[?length(@.a)]",
            "$[?length(@.a==1)>0]",
            "$[?value(@.a)]",
            "$[?value(1)==1]",
            "$[?value(length(@.a))==1]",
            "$[?count(@.a)]",
            "$[?count(@..*)==0]",
            "$[?match(@.a,@.*)]",
            "$[?search(@.*,'a')]",
            "$[?match(@.a,match(@.b,'c'))]",
            "$[?search(@.a,'(')]",
            "$[?in(@.a,$.b)]",
            "$[?none_of(@.a,$.b)]",
            "$..['a','b']",
            "$..[1,0]",
            "$[*]['a','b']",
            "$[?@[?@>1]]",
            "$[?@.a && @..[?@.b]]",
            "$[?(@.a || !@[?@.b==1])]",
            "$[?@.a==9007199254740993]",
        ] {
            let fault = match parse_path(text) {
                Err(fault) => fault,
                Ok(_) => panic!("{text} was taken"),
            };
            assert!(matches!(fault.code, Code::InexactJsonPath | Code::NotAJsonPath), "{text}");
        }
        let deep = format!("${}", "[?@.a".repeat(200));
        assert!(parse_path(&deep).is_err());
    }

    /// What is not refused gives the nodes of RFC 9535, in its order. Documents and results are the RFC's own examples
    /// (§2.3 and §2.4), or follow from its text.
    #[test]
    fn what_is_taken_is_evaluated_as_the_rfc_says() {
        let j = json!({"o": {"j j": {"k.k": 3}}, "'": {"@": 2}});
        let ab = json!({"o": {"j": 1, "k": 2}, "a": [5, 3]});
        let slice = json!(["a", "b", "c", "d", "e", "f", "g"]);
        let a = json!({
            "a": [3, 5, 1, 2, 4, 6, {"b": "j"}, {"b": "k"}, {"b": {}}, {"b": "kilo"}],
            "o": {"p": 1, "q": 2, "r": 3, "s": 5, "t": {"u": 6}},
            "e": "f",
        });
        let descend = json!({"o": {"j": 1, "k": 2}, "a": [5, 3, [{"j": 4}, {"k": 6}]]});
        for (document, text, expected) in [
            (&j, "$.o['j j']['k.k']", json!([3])),
            (&j, "$[\"'\"][\"@\"]", json!([2])),
            (&ab, "$[*]", json!([{"j": 1, "k": 2}, [5, 3]])),
            (&ab, "$.o[*]", json!([1, 2])),
            (&ab, "$.o['k','j']", json!([2, 1])),
            (&ab, "$.a[*]", json!([5, 3])),
            (&slice, "$[1]", json!(["b"])),
            (&slice, "$[-2]", json!(["f"])),
            (&slice, "$[1:3]", json!(["b", "c"])),
            (&slice, "$[5:]", json!(["f", "g"])),
            (&slice, "$[1:5:2]", json!(["b", "d"])),
            (&slice, "$[5:1:-2]", json!(["f", "d"])),
            (&slice, "$[::-1]", json!(["g", "f", "e", "d", "c", "b", "a"])),
            (&slice, "$[0, 3]", json!(["a", "d"])),
            (&slice, "$[0:2, 5]", json!(["a", "b", "f"])),
            (&slice, "$[0, 0]", json!(["a", "a"])),
            (&a, "$.a[?@.b == 'kilo']", json!([{"b": "kilo"}])),
            (&a, "$.a[?(@.b == 'kilo')]", json!([{"b": "kilo"}])),
            (&a, "$.a[?@>3.5]", json!([5, 4, 6])),
            (&a, "$.a[?@.b]", json!([{"b": "j"}, {"b": "k"}, {"b": {}}, {"b": "kilo"}])),
            (&a, "$[?@.*]", json!([a["a"], a["o"]])),
            (&a, "$.a[?@<2 || @.b == \"k\"]", json!([1, {"b": "k"}])),
            (&a, "$.a[?match(@.b, \"[jk]\")]", json!([{"b": "j"}, {"b": "k"}])),
            (&a, "$.a[?search(@.b, \"[jk]\")]", json!([{"b": "j"}, {"b": "k"}, {"b": "kilo"}])),
            (&a, "$.o[?@>1 && @<4]", json!([2, 3])),
            (&a, "$.o[?@.u || @.x]", json!([{"u": 6}])),
            (&a, "$.a[?@.b == $.x]", json!([3, 5, 1, 2, 4, 6])),
            (&a, "$.a[?@ == @]", a["a"].clone()),
            (&a, "$.a[?length(@.b) > 1]", json!([{"b": "kilo"}])),
            (&a, "$.a[?value(@.*) == 'k']", json!([{"b": "k"}])),
            (&a, "$.a[?!@.b]", json!([3, 5, 1, 2, 4, 6])),
            (&descend, "$..j", json!([1, 4])),
            (&descend, "$..[0]", json!([5, {"j": 4}])),
            (&descend, "$.o..[*]", json!([1, 2])),
            (&descend, "$.a..[0:1]", json!([5, {"j": 4}])),
        ] {
            let path = parse_path(text).unwrap_or_else(|fault| panic!("{text}: {fault:?}"));
            let nodes: Vec<_> = document.query(&path.query()).unwrap().into_iter().cloned().collect();
            assert_eq!(json!(nodes), expected, "{text}");
        }
    }
}
