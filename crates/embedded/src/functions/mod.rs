//! Trino's functions, and the calls that become them.

pub(crate) mod arrays;
pub(crate) mod cast;
pub(crate) mod chains;
pub(crate) mod dates;
mod json;
pub(crate) mod json_text;
pub(crate) mod lambdas;
pub(crate) mod maps;
mod math;
pub(crate) mod native;
mod regex;
pub(crate) mod rows;
pub(crate) mod strings;
pub(crate) mod unnest;
mod web;

use datafusion::common::Result as DataFusionResult;
use query::QueryError;

use crate::analysis;
use crate::syntax::ast::At;
use crate::types::Type;
use native::{Cell, Out, Typed, call, strict};

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

/// A function that this engine has not, with the nearest that it has.
pub(crate) fn unknown(name: &str) -> QueryError {
    let known = NAMES.iter().copied().chain(lambdas::names()).chain(analysis::function_names());
    let mut near: Vec<(usize, &str)> = known
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .filter(|(distance, known)| *distance <= 1 + known.len().min(name.len()) / 4)
        .collect();
    near.sort_unstable();
    near.truncate(3);
    let remedy = match near.is_empty() {
        true => "write it with other functions, or run the statement on Athena".to_owned(),
        false => {
            let names: Vec<&str> = near.into_iter().map(|(_, name)| name).collect();
            format!("the nearest that there are: {}", names.join(", "))
        }
    };
    QueryError::Unsupported { construct: format!("function {name}"), remedy }
}

/// A call whose arguments have been analysed.
pub(crate) struct Request<'a> {
    pub(crate) at: At,
    pub(crate) name: &'a str,
    pub(crate) arguments: Vec<Typed>,
}

/// Nothing, if the module has no such function.
pub(crate) type Resolved = Option<Result<Typed, QueryError>>;

impl Request<'_> {
    pub(crate) fn wrong(&self) -> QueryError {
        let types: Vec<String> = self.arguments.iter().map(|argument| argument.ty.to_string()).collect();
        QueryError::Invalid(format!(
            "{}: Unexpected parameters ({}) for function {}",
            self.at,
            types.join(", "),
            self.name
        ))
    }

    pub(crate) fn unsupported<T>(
        &self,
        construct: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Result<T, QueryError> {
        Err(QueryError::Unsupported { construct: construct.into(), remedy: remedy.into() })
    }

    /// The arguments as values of `types`, as many as there are arguments.
    pub(crate) fn coerced(&self, types: &[Type]) -> Result<Vec<Typed>, QueryError> {
        if self.arguments.len() > types.len() {
            return Err(self.wrong());
        }
        self.arguments
            .iter()
            .zip(types)
            .map(|(argument, ty)| match argument.ty.coerces_to(ty) {
                true => cast::cast(argument.clone(), ty, None, false),
                false => Err(self.wrong()),
            })
            .collect()
    }

    /// A function of values that are not null; `types` has all its parameters, of which at least `least` are given.
    pub(crate) fn simple_from(
        &self,
        least: usize,
        types: &[Type],
        returns: Type,
        row: impl Fn(&[Cell<'_>]) -> DataFusionResult<Out> + Send + Sync + 'static,
    ) -> Resolved {
        if self.arguments.len() < least {
            return Some(Err(self.wrong()));
        }
        Some(
            self.coerced(types).map(|arguments| call(self.name, "", arguments, returns.clone(), strict(&returns, row))),
        )
    }

    /// A function of exactly these values.
    pub(crate) fn simple(
        &self,
        types: &[Type],
        returns: Type,
        row: impl Fn(&[Cell<'_>]) -> DataFusionResult<Out> + Send + Sync + 'static,
    ) -> Resolved {
        self.simple_from(types.len(), types, returns, row)
    }
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
    if is_known(name) { Err(request.wrong()) } else { Err(unknown(name)) }
}
