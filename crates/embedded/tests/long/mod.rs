//! Statements that are longer or deeper than a person writes, made to measure.

/// The name of a kind, and the statement of so many parts.
type Long = (&'static str, fn(usize) -> String);

/// What a program or a careless template makes.
pub(crate) const KINDS: [Long; 34] = [
    ("sum", |n| format!("SELECT {}", joined(n, " + ", |i| i.to_string()))),
    ("mixed sum", |n| format!("SELECT {}", joined(n, " - ", |i| format!("{i}.5 * a")) + " FROM (VALUES 1) AS t(a)")),
    ("product", |n| format!("SELECT {}", joined(n, " * ", |_| "1".to_owned()))),
    ("concatenation", |n| format!("SELECT {} FROM (VALUES 'x') AS t(a)", joined(n, " || ", |_| "a".to_owned()))),
    ("and", |n| format!("SELECT count(*) FROM {T} WHERE {}", joined(n, " AND ", |i| format!("a <> {i}")))),
    ("or", |n| format!("SELECT count(*) FROM {T} WHERE {}", joined(n, " OR ", |i| format!("s LIKE '%{i}%'")))),
    ("and or", |n| {
        format!("SELECT count(*) FROM {T} WHERE {}", joined(n, " OR ", |i| format!("(a = {i} AND s = 'x{i}')")))
    }),
    ("in", |n| {
        format!(
            "SELECT count(*) FROM {T} WHERE s IN ({})",
            joined(n, ", ", |i| format!("'10.{}.{}.{}'", i >> 16, i >> 8 & 255, i & 255))
        )
    }),
    ("in of numbers", |n| format!("SELECT count(*) FROM {T} WHERE a IN ({})", joined(n, ", ", |i| i.to_string()))),
    ("in of doubles", |n| {
        format!("SELECT count(*) FROM {T} WHERE CAST(a AS double) IN ({})", joined(n, ", ", |i| format!("{i}e0")))
    }),
    ("in of expressions", |n| {
        format!("SELECT count(*) FROM {T} WHERE a IN ({})", joined(n, ", ", |i| format!("b + {i}")))
    }),
    ("union all", |n| joined(n, " UNION ALL ", |i| format!("SELECT {i} AS a"))),
    ("union", |n| joined(n, " UNION ", |i| format!("SELECT {i} AS a"))),
    ("except", |n| joined(n, " EXCEPT ", |i| format!("SELECT {i} AS a"))),
    ("case", |n| {
        format!("SELECT CASE {} ELSE 'z' END FROM {T}", joined(n, " ", |i| format!("WHEN a = {i} THEN 'x{i}'")))
    }),
    ("case of a value", |n| {
        format!("SELECT CASE a {} END FROM {T}", joined(n, " ", |i| format!("WHEN {i} THEN 'x{i}'")))
    }),
    ("values", |n| {
        format!("SELECT count(*) FROM (VALUES {}) AS t(a, b)", joined(n, ", ", |i| format!("({i}, 'x{i}')")))
    }),
    ("columns", |n| format!("SELECT {} FROM {T}", joined(n, ", ", |i| format!("a + {i} AS c{i}")))),
    ("joins", |n| {
        let joins = joined(n, " ", |i| format!("JOIN (VALUES 1) AS t{i}(a{i}) ON t{i}.a{i} = t.a"));
        format!("SELECT count(*) FROM {T} {joins}")
    }),
    ("common tables", |n| {
        let tables = joined(n, ", ", |i| format!("c{} AS (SELECT a + 1 AS a FROM c{i})", i + 1));
        format!("WITH c0 AS (SELECT 1 AS a), {tables} SELECT a FROM c{n}")
    }),
    ("doubling common tables", |n| {
        let tables =
            joined(n, ", ", |i| format!("c{} AS (SELECT x.a FROM c{i} AS x JOIN c{i} AS y ON x.a = y.a)", i + 1));
        format!("WITH c0 AS (SELECT 1 AS a), {tables} SELECT a FROM c{n}")
    }),
    ("doubling columns", |n| {
        let tables = joined(n, ", ", |i| format!("c{} AS (SELECT a * a AS a FROM c{i})", i + 1));
        format!("WITH c0 AS (SELECT a FROM {T}), {tables} SELECT a FROM c{n} WHERE a > 0")
    }),
    ("filtered common tables", |n| {
        let tables = joined(n, ", ", |i| format!("c{} AS (SELECT * FROM c{i} WHERE a <> {})", i + 1, i + 7));
        format!("WITH c0 AS (SELECT a FROM {T}), {tables} SELECT a FROM c{n}")
    }),
    ("separate common tables", |n| {
        let tables = joined(n, ", ", |i| format!("c{i} AS (SELECT {i} AS a)"));
        format!("WITH {tables} {}", joined(n, " UNION ALL ", |i| format!("SELECT a FROM c{i}")))
    }),
    ("nested joins and queries", |n| {
        format!("SELECT 1 AS a FROM {}{T}{}", "((SELECT a FROM ".repeat(n), ") AS t)".repeat(n))
    }),
    ("scalar subqueries", |n| format!("SELECT {}1{}", "((SELECT ".repeat(n), ") + 1)".repeat(n))),
    ("between", |n| format!("SELECT a BETWEEN 1 AND 2{} FROM {T}", " BETWEEN false AND true".repeat(n))),
    ("nullif", |n| format!("SELECT {}a{} FROM {T}", "nullif(".repeat(n), ", 1)".repeat(n))),
    ("substring", |n| format!("SELECT {}s{} FROM {T}", "substring(".repeat(n), ", 1)".repeat(n))),
    ("subqueries", |n| format!("{}SELECT 1 AS a{}", "SELECT a FROM (".repeat(n), ")".repeat(n))),
    ("parentheses", |n| format!("SELECT {}1{}", "(".repeat(n), ")".repeat(n))),
    ("calls", |n| format!("SELECT {}'a'{} FROM {T}", "lower(".repeat(n), ")".repeat(n))),
    ("arrays", |n| format!("SELECT {}1{}", "ARRAY[".repeat(n), "]".repeat(n))),
    ("casts", |n| format!("SELECT {}a{} FROM {T}", "CAST(CAST(".repeat(n), " AS varchar) AS integer)".repeat(n))),
];

/// A table of one row.
const T: &str = "(VALUES (1, 2, 'x')) AS t(a, b, s)";

fn joined(n: usize, between: &str, part: impl Fn(usize) -> String) -> String {
    (0..n).map(part).collect::<Vec<_>>().join(between)
}
