//! Counts rows in groups, once for each scheduled window: in SQL, and for rows in memory.

use std::collections::{BTreeMap, HashMap};

use diagnostics::Spanned;
use serde_json::{Map, Value as Json, json};
use sql::sql;
use sql::text::Sql;

use crate::rule::{Rule, Threshold};
use crate::window::Ends;

/// The column of an answer with the run at which the group's window ends.
pub(crate) const WINDOW_END: &str = "scheduled_window_end";

/// Cron expressions run at whole minutes.
const MINUTE: i64 = 60_000;

/// A statement with one row for each group that reaches the threshold: in each of the scheduled windows, or in all of `hits`.
pub(crate) fn statement(rule: &Rule, hits: &Sql, ends: Option<Ends>) -> Sql {
    match ends {
        None => of_one_window(rule, hits),
        Some(ends) => of_windows(rule, hits, ends),
    }
}

fn of_one_window(rule: &Rule, hits: &Sql) -> Sql {
    let counted = match distinct(rule) {
        Some(column) => sql!("count(DISTINCT {})", Sql::name(column)),
        None => Sql::code("count(*)"),
    };
    let mut selected: Vec<Sql> = columns(rule).collect();
    selected.push(Sql::code("count(*) AS \"event_count\""));
    if distinct(rule).is_some() {
        selected.push(sql!("{} AS \"distinct_count\"", counted));
    }
    selected.push(Sql::code("min(\"time\") AS \"start_time\", max(\"time\") AS \"end_time\""));
    sql!(
        "SELECT {} FROM ({}) AS \"hits\" GROUP BY {} HAVING {} >= {}",
        Sql::list(selected),
        hits,
        Sql::list(columns(rule)),
        counted,
        least(rule)
    )
}

/// First counts events in buckets. They are so short that a scheduled window contains each of them wholly or not at all. Then
/// adds each bucket to all windows that contain it.
fn of_windows(rule: &Rule, hits: &Sql, ends: Ends) -> Sql {
    let every = rule.schedule.rate().unwrap_or(MINUTE);
    let start = multiple_before(&Sql::name("time"), greatest_common_divisor(every, rule.lookback));
    let mut of_bucket: Vec<Sql> = columns(rule).collect();
    let mut bucketed = of_bucket.clone();
    if let Some(column) = distinct(rule) {
        bucketed.push(sql!("{} AS \"bucket_value\"", Sql::name(column)));
        of_bucket.push(Sql::name(column));
    }
    bucketed.push(sql!("{} AS \"bucket_start\"", start));
    bucketed.push(Sql::code(
        "count(*) AS \"bucket_rows\", min(\"time\") AS \"bucket_first\", max(\"time\") AS \"bucket_last\"",
    ));
    of_bucket.push(start);
    let buckets = sql!("SELECT {} FROM ({}) AS \"hits\" GROUP BY {}", Sql::list(bucketed), hits, Sql::list(of_bucket));
    let lookback = Sql::integer(rule.lookback);
    let windows = match rule.schedule.rate() {
        Some(every) => {
            // The first run after the start of the bucket, and the last run whose window contains it.
            let before = multiple_before(&Sql::name("bucket_start"), every);
            let every = Sql::integer(every);
            sql!("sequence({} + {}, \"bucket_start\" + {}, {})", before, every, lookback, every)
        }
        None => {
            let runs = Sql::list(ends.of(&rule.schedule).map(Sql::integer));
            let has = sql!("\"run\" > \"bucket_start\" AND \"run\" <= \"bucket_start\" + {}", lookback);
            sql!("filter(ARRAY[{}], \"run\" -> {})", runs, has)
        }
    };
    let end = Sql::name(WINDOW_END);
    let grouped = Sql::list(columns(rule).chain([end.clone()]));
    let counted = sql!(
        "FROM ({}) AS \"buckets\" CROSS JOIN UNNEST({}) AS \"windows\"({}) WHERE {} > {} AND {} <= {}",
        buckets,
        windows,
        end,
        end,
        Sql::integer(ends.after),
        end,
        Sql::integer(ends.until)
    );
    let least = least(rule);
    match distinct(rule) {
        None => sql!(
            "SELECT {}, sum(\"bucket_rows\") AS \"event_count\", min(\"bucket_first\") AS \"start_time\", max(\"bucket_last\") AS \
             \"end_time\" {} GROUP BY {} HAVING sum(\"bucket_rows\") >= {} ORDER BY {}",
            grouped,
            counted,
            grouped,
            least,
            end
        ),
        // DISTINCT first, then count: that takes less memory than count(DISTINCT …).
        Some(_) => sql!(
            "SELECT {}, sum(\"value_rows\") AS \"event_count\", count(\"bucket_value\") AS \"distinct_count\", \
             min(\"value_first\") AS \"start_time\", max(\"value_last\") AS \"end_time\" FROM (SELECT {}, \"bucket_value\", \
             sum(\"bucket_rows\") AS \"value_rows\", min(\"bucket_first\") AS \"value_first\", max(\"bucket_last\") AS \
             \"value_last\" {} GROUP BY {}, \"bucket_value\") AS \"values\" GROUP BY {} HAVING count(\"bucket_value\") >= {} ORDER \
             BY {}",
            grouped,
            grouped,
            counted,
            grouped,
            grouped,
            least,
            end
        ),
    }
}

/// The largest multiple of `step` that is not above a whole number, which may be negative.
pub(crate) fn multiple_before(number: &Sql, step: i64) -> Sql {
    let step = Sql::integer(step);
    sql!("{} - mod(mod({}, {}) + {}, {})", number, number, step, step, step)
}

fn columns(rule: &Rule) -> impl Iterator<Item = Sql> + '_ {
    rule.group_by.iter().map(|column| Sql::name(column))
}

fn distinct(rule: &Rule) -> Option<&str> {
    rule.threshold.as_ref()?.distinct.as_ref().map(|column| column.value.as_str())
}

fn least(rule: &Rule) -> Sql {
    Sql::integer(i64::try_from(rule.threshold.as_ref().map_or(1, |threshold| threshold.count)).unwrap_or(i64::MAX))
}

fn greatest_common_divisor(mut one: i64, mut other: i64) -> i64 {
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one
}

/// The groups of rows that reach the threshold, ordered by window. It counts like [`statement`].
pub(crate) fn of_rows(rule: &Rule, rows: &[Map<String, Json>], ends: Option<Ends>) -> Vec<Map<String, Json>> {
    let Some(ends) = ends else {
        let rows: Vec<&Map<String, Json>> = rows.iter().collect();
        return of_window(rule, &rows);
    };
    let mut windows: BTreeMap<i64, Vec<&Map<String, Json>>> = BTreeMap::new();
    for row in rows {
        let Some(time) = row.get("time").and_then(Json::as_i64) else { continue };
        for end in ends.around(time, rule.lookback, &rule.schedule) {
            windows.entry(end).or_default().push(row);
        }
    }
    let groups = windows.into_iter().flat_map(|(end, rows)| {
        let mut groups = of_window(rule, &rows);
        groups.iter_mut().for_each(|group| {
            group.insert(WINDOW_END.to_owned(), json!(end));
        });
        groups
    });
    groups.collect()
}

fn of_window(rule: &Rule, rows: &[&Map<String, Json>]) -> Vec<Map<String, Json>> {
    let cell = |row: &Map<String, Json>, name: &str| row.get(name).cloned().unwrap_or(Json::Null);
    // In the order of their first rows.
    let mut groups: Vec<Vec<&Map<String, Json>>> = Vec::new();
    let mut places: HashMap<Vec<Json>, usize> = HashMap::new();
    for row in rows {
        let key: Vec<Json> = rule.group_by.iter().map(|column| cell(row, column)).collect();
        let place = *places.entry(key).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(members) => members.push(row),
            None => groups.push(vec![row]),
        }
    }
    let group = |members: Vec<&Map<String, Json>>| {
        let named = |column: &Spanned<String>| Some((column.value.clone(), cell(members.first()?, column)));
        let mut group: Map<String, Json> = rule.group_by.iter().filter_map(named).collect();
        let times = || members.iter().filter_map(|row| row.get("time").and_then(Json::as_i64));
        group.insert("event_count".to_owned(), json!(members.len()));
        let mut count = members.len() as u64;
        if let Some(Threshold { distinct: Some(column), .. }) = &rule.threshold {
            let values = members.iter().map(|row| cell(row, column)).filter(|value| !value.is_null());
            let mut values: Vec<String> = values.map(|value| value.to_string()).collect();
            values.sort_unstable();
            values.dedup();
            count = values.len() as u64;
            group.insert("distinct_count".to_owned(), json!(count));
        }
        group.insert("start_time".to_owned(), json!(times().min()));
        // A match of several observations counts at the time of its last event.
        let ends = members.iter().filter_map(|row| row.get("end_time").and_then(Json::as_i64));
        group.insert("end_time".to_owned(), json!(times().chain(ends).max()));
        (count >= rule.threshold.as_ref().map_or(1, |threshold| threshold.count)).then_some(group)
    };
    groups.into_iter().filter_map(group).collect()
}
