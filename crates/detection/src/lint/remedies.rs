//! Help lines for errors of an engine that have none.

/// What to write instead, from the engine's message and the SQL at the place of the error.
pub(super) fn remedy(message: &str, at: &str) -> Option<String> {
    if let Some(operands) = message.strip_prefix("Cannot apply operator: ") {
        return operands_of(operands).and_then(|(left, right)| of_types(&left, &right));
    }
    if let Some(rest) = message.strip_prefix("Expression of type ") {
        let (column_type, field) = (rest, rest.rsplit('\'').nth(1)?);
        let base = at.rsplit_once('.').map_or("column", |(base, _)| base);
        return Some(match column_type.split(['(', ' ']).next()? {
            "map" => format!("read a map by key: element_at({base}, '{field}')"),
            "array" => format!(
                "test the elements with any_match({base}, x -> x.{field} = …), or get a row for each with UNNEST"
            ),
            "varchar" | "json" => format!("read JSON text by path: json_extract_scalar({base}, '$.{field}')"),
            _ => return None,
        });
    }
    let is_in = |part: &str| message.contains(part);
    Some(match at {
        _ if is_in("cannot be resolved") && at.starts_with('"') && at.ends_with('"') && at.len() > 2 => {
            format!("double quotes are for names; a text is '{}'", &at[1..at.len() - 1])
        }
        _ if at.eq_ignore_ascii_case("ilike") => "write lower(x) LIKE with the pattern in lower case".to_owned(),
        "==" => "write = for equality".to_owned(),
        "~" | "~*" => "write regexp_like(x, 'pattern')".to_owned(),
        "::" | ":" => "write CAST(x AS type)".to_owned(),
        "`" => "put names with special characters in double quotes".to_owned(),
        "=" if is_in("found '='") => "write one = for equality".to_owned(),
        _ if is_in("is ambiguous") => "several tables have it: add the alias of one, for example e.column".to_owned(),
        _ if is_in("must be boolean") => "compare it with a value, for example x = 1 or x IS NOT NULL".to_owned(),
        _ if is_in("appear in GROUP BY") => {
            "add it to GROUP BY, or aggregate it: min(x), max(x) or arbitrary(x)".to_owned()
        }
        _ if is_in("values must be the same type") || is_in("Cannot cast") => {
            "use values of one type, with texts in single quotes, or convert them with CAST(x AS type)".to_owned()
        }
        _ if is_in("Unexpected parameters") => {
            "the function has another number of arguments or other types; convert with CAST(x AS type)".to_owned()
        }
        _ => return None,
    })
}

/// The two types of `varchar = integer`, without precision.
fn operands_of(text: &str) -> Option<(String, String)> {
    const OPERATORS: [&str; 12] =
        [" = ", " <> ", " != ", " <= ", " >= ", " < ", " > ", " + ", " - ", " * ", " / ", " % "];
    let (left, right) = OPERATORS.iter().find_map(|operator| text.split_once(operator))?;
    // `timestamp(3)`, `decimal(10, 2)`.
    let kind = |text: &str| text.split('(').next().unwrap_or(text).trim().to_owned();
    let zoned = |text: &str| if text.contains("with time zone") { "timestamp".to_owned() } else { kind(text) };
    Some((zoned(left), zoned(right)))
}

fn of_types(left: &str, right: &str) -> Option<String> {
    let is_number =
        |kind: &str| matches!(kind, "tinyint" | "smallint" | "integer" | "bigint" | "real" | "double" | "decimal");
    let is_time = |kind: &str| matches!(kind, "timestamp" | "date");
    let either = |one: &dyn Fn(&str) -> bool, other: &dyn Fn(&str) -> bool| {
        (one(left) && other(right)) || (one(right) && other(left))
    };
    let is = |wanted: &'static str| move |kind: &str| kind == wanted;
    Some(
        match () {
            () if either(&is("varchar"), &is_number) => {
                "write texts in single quotes and numbers without, or convert with CAST(x AS bigint) or CAST(x AS varchar)"
            }
            () if either(&is("varchar"), &is_time) => {
                "write TIMESTAMP '2024-05-01 10:00:00', or convert a text with from_iso8601_timestamp(x)"
            }
            () if either(&is_number, &is_time) => {
                "`time` is in milliseconds since 1970: its timestamp is from_unixtime(time / 1000.0)"
            }
            () if either(&is("varchar"), &is("boolean")) || either(&is_number, &is("boolean")) => {
                "compare a boolean with TRUE or FALSE, or write it alone"
            }
            () if either(&is("varchar"), &is("array")) => "write contains(array, 'text')",
            () if either(&is("varchar"), &is("map")) => "write element_at(map, 'key') = 'text'",
            () if either(&is("varchar"), &is("row")) => "name a field of the row: column.field",
            () => return None,
        }
        .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::remedy;

    #[test]
    fn each_kind_of_refusal_has_its_remedy() {
        for (message, at, expected) in [
            ("Cannot apply operator: varchar = integer", "=", "in single quotes"),
            ("Cannot apply operator: bigint >= varchar", ">", "in single quotes"),
            ("Cannot apply operator: timestamp(3) < varchar", "<", "TIMESTAMP '"),
            ("Cannot apply operator: varchar > timestamp(3) with time zone", ">", "TIMESTAMP '"),
            ("Cannot apply operator: bigint > timestamp(3) with time zone", ">", "from_unixtime(time"),
            ("Cannot apply operator: boolean = varchar", "=", "TRUE or FALSE"),
            ("Cannot apply operator: array(varchar) = varchar", "=", "contains("),
            ("Cannot apply operator: map(varchar, varchar) = varchar", "=", "element_at("),
            (
                "Expression of type map(varchar, varchar) is not of type ROW, it has no field 'eventType'",
                "unmapped.eventType",
                "element_at(unmapped, 'eventType')",
            ),
            (
                "Expression of type varchar is not of type ROW, it has no field 'a'",
                "x.y.a",
                "json_extract_scalar(x.y, '$.a')",
            ),
            (
                "Expression of type array(row(\"uid\" varchar)) is not of type ROW, it has no field 'uid'",
                "resources.uid",
                "any_match(resources, x -> x.uid",
            ),
            ("Column 'AccessDenied' cannot be resolved", "\"AccessDenied\"", "a text is 'AccessDenied'"),
            ("found 'ILIKE', expected the end", "ILIKE", "lower(x) LIKE"),
            ("'api' must be an aggregate expression or appear in GROUP BY clause", "api", "arbitrary(x)"),
            ("Column 'time' is ambiguous", "time", "alias"),
            ("Logical expression term of AND must be boolean: it is integer", "port", "IS NOT NULL"),
            ("Unexpected parameters (varchar) for function strpos", "strpos", "another number"),
        ] {
            let found = remedy(message, at).unwrap_or_default();
            assert!(found.contains(expected), "{message}: {found}");
        }
        assert_eq!(remedy("Column 'x' cannot be resolved", "x"), None);
    }
}
