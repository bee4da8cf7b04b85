//! The names of aggregations and window functions, and what a name that no function has may be meant for.

use query::QueryError;

use crate::functions;

const AGGREGATIONS: [&str; 34] = [
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "count_if",
    "bool_and",
    "bool_or",
    "every",
    "arbitrary",
    "any_value",
    "array_agg",
    "max_by",
    "min_by",
    "map_agg",
    "histogram",
    "listagg",
    "approx_percentile",
    "approx_distinct",
    "stddev",
    "stddev_samp",
    "stddev_pop",
    "variance",
    "var_samp",
    "var_pop",
    "corr",
    "covar_samp",
    "covar_pop",
    "bitwise_and_agg",
    "bitwise_or_agg",
    "geometric_mean",
    "multimap_agg",
    "regr_slope",
    "regr_intercept",
];

const WINDOW_FUNCTIONS: [&str; 11] = [
    "row_number",
    "rank",
    "dense_rank",
    "percent_rank",
    "cume_dist",
    "ntile",
    "lag",
    "lead",
    "first_value",
    "last_value",
    "nth_value",
];

pub(crate) fn is_aggregate(name: &str) -> bool {
    AGGREGATIONS.contains(&name)
}

pub(crate) fn is_window_function(name: &str) -> bool {
    WINDOW_FUNCTIONS.contains(&name)
}

/// A function that this engine has not, with the nearest that it has.
pub(crate) fn unknown(name: &str) -> QueryError {
    let known = functions::names().chain(AGGREGATIONS).chain(WINDOW_FUNCTIONS);
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
