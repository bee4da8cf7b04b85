//! Trino's functions, and the calls that become them.

pub(crate) mod arrays;
pub(crate) mod cast;
pub(crate) mod chains;
pub(crate) mod dates;
pub(crate) mod equality;
mod json;
pub(crate) mod json_text;
pub(crate) mod lambdas;
pub(crate) mod maps;
mod math;
pub(crate) mod native;
pub(crate) mod numbers;
pub(crate) mod operators;
mod regex;
pub(crate) mod request;
pub(crate) mod rows;
pub(crate) mod strings;
pub(crate) mod unnest;
mod web;

use query::QueryError;

use crate::syntax::ast::At;
use native::Typed;
use request::Request;

/// Functions of one value per row, beside those with lambdas.
const NAMES: &[&str] = &[
    "abs",
    "array_distinct",
    "array_except",
    "array_intersect",
    "array_join",
    "array_max",
    "array_min",
    "array_position",
    "array_remove",
    "array_sort",
    "array_union",
    "arrays_overlap",
    "at_timezone",
    "atan2",
    "acos",
    "asin",
    "atan",
    "bitwise_and",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "cardinality",
    "cbrt",
    "ceil",
    "ceiling",
    "chr",
    "coalesce",
    "codepoint",
    "concat",
    "concat_ws",
    "contains",
    "cos",
    "cosh",
    "date",
    "date_add",
    "date_diff",
    "date_format",
    "date_parse",
    "date_trunc",
    "day",
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "degrees",
    "dow",
    "doy",
    "e",
    "element_at",
    "ends_with",
    "exp",
    "flatten",
    "floor",
    "format",
    "format_datetime",
    "from_base",
    "from_base64",
    "from_hex",
    "from_iso8601_date",
    "from_iso8601_timestamp",
    "from_unixtime",
    "from_utf8",
    "greatest",
    "hamming_distance",
    "hour",
    "if",
    "infinity",
    "is_finite",
    "is_infinite",
    "is_json_scalar",
    "is_nan",
    "json_array_contains",
    "json_array_length",
    "json_extract",
    "json_extract_scalar",
    "json_format",
    "json_parse",
    "json_size",
    "last_day_of_month",
    "least",
    "length",
    "levenshtein_distance",
    "ln",
    "log",
    "log10",
    "log2",
    "lower",
    "lpad",
    "ltrim",
    "map",
    "map_concat",
    "map_entries",
    "map_from_entries",
    "map_keys",
    "map_values",
    "millisecond",
    "minute",
    "mod",
    "month",
    "nan",
    "now",
    "nullif",
    "parse_datetime",
    "pi",
    "position",
    "pow",
    "power",
    "quarter",
    "radians",
    "regexp_count",
    "regexp_extract",
    "regexp_extract_all",
    "regexp_like",
    "regexp_position",
    "regexp_replace",
    "regexp_split",
    "repeat",
    "replace",
    "reverse",
    "round",
    "rpad",
    "rtrim",
    "second",
    "sequence",
    "sign",
    "sin",
    "sinh",
    "slice",
    "split",
    "split_part",
    "split_to_map",
    "sqrt",
    "starts_with",
    "strpos",
    "strrpos",
    "substr",
    "substring",
    "tan",
    "tanh",
    "timezone_hour",
    "to_base",
    "to_base64",
    "to_hex",
    "to_iso8601",
    "to_unixtime",
    "to_utf8",
    "trim",
    "trim_array",
    "truncate",
    "try",
    "typeof",
    "upper",
    "url_decode",
    "url_encode",
    "url_extract_fragment",
    "url_extract_host",
    "url_extract_parameter",
    "url_extract_path",
    "url_extract_port",
    "url_extract_protocol",
    "url_extract_query",
    "week",
    "week_of_year",
    "width_bucket",
    "with_timezone",
    "year",
    "year_of_week",
    "yow",
    "zip",
];

pub(crate) fn is_known(name: &str) -> bool {
    NAMES.contains(&name) || lambdas::takes_lambda(name)
}

/// The names of all functions, those with lambdas too.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    NAMES.iter().copied().chain(lambdas::names())
}

/// The function `name` of these arguments.
pub(crate) fn resolve(at: At, name: &str, arguments: Vec<Typed>) -> Result<Typed, QueryError> {
    let request = Request { at, name, arguments };
    let modules = [
        strings::resolve,
        regex::resolve,
        json::resolve,
        dates::resolve,
        math::resolve,
        arrays::resolve,
        maps::resolve,
        web::resolve,
        rows::resolve,
    ];
    for module in modules {
        if let Some(resolved) = module(&request) {
            return resolved;
        }
    }
    Err(request.wrong())
}
