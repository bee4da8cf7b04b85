//! One comparison of one value: the operator and constant of a pattern, typed by the column.

mod doubts;
mod equality;
mod networks;
mod order;
mod scale;
mod texts;
mod verdict;

use std::rc::Rc;

use sql::sql;
use sql::text::Sql;
use sql::types::ColumnType;
use stix::pattern::Operator;

use crate::map::Family;
use equality::equality;
use networks::{subset, superset};
use order::{Order, Relation, ordering};
use texts::{like, matches};

pub(crate) use doubts::{Doubt, doubts, remedy};
pub(crate) use verdict::{Predicate, Typed, Verdict};

/// The comparison as the pattern has it, or its complement for `NOT`. Either holds only of a value that is there.
pub(crate) fn compare(typed: &Typed, operator: &Operator, negated: bool) -> Verdict {
    let verdict = match operator {
        Operator::Equal(literal) => equality(typed, std::slice::from_ref(literal), negated),
        Operator::NotEqual(literal) => equality(typed, std::slice::from_ref(literal), !negated),
        Operator::In(literals) => equality(typed, literals, negated),
        Operator::Less(literal) => ordering(typed, Order::new(Relation::Less, negated), literal),
        Operator::LessOrEqual(literal) => ordering(typed, Order::new(Relation::LessOrEqual, negated), literal),
        Operator::Greater(literal) => ordering(typed, Order::new(Relation::Greater, negated), literal),
        Operator::GreaterOrEqual(literal) => ordering(typed, Order::new(Relation::GreaterOrEqual, negated), literal),
        Operator::Like(literal) => like(typed, literal, negated),
        Operator::Matches(literal) => matches(typed, literal, negated),
        Operator::IsSubset(literal) => subset(typed, literal, negated),
        Operator::IsSuperset(literal) => superset(typed, literal, negated),
    };
    guarded(typed, operator, negated, verdict)
}

/// `IS NOT NULL`, or the addresses of the family alone.
pub(crate) fn present(typed: &Typed) -> Predicate {
    match (&typed.column_type, family_condition(typed)) {
        (ColumnType::Array(_) | ColumnType::Map(..), _) => Rc::new(|v| sql!("cardinality({}) > 0", v)),
        (_, Some(family)) => family,
        (_, None) => Rc::new(|v| sql!("{} IS NOT NULL", v)),
    }
}

/// The columns of `ipv4-addr` and `ipv6-addr` are the same. What an equality finds is of the family that its constant is
/// of; any other comparison has to ask.
fn guarded(typed: &Typed, operator: &Operator, negated: bool, verdict: Verdict) -> Verdict {
    let is_equality = match operator {
        Operator::Equal(_) | Operator::In(_) => !negated,
        Operator::NotEqual(_) => negated,
        Operator::IsSubset(_) => !negated,
        _ => false,
    };
    match (verdict, family_condition(typed)) {
        (Verdict::Test(predicate), Some(family)) if !is_equality => {
            Verdict::test(move |v| Sql::and([family(v), predicate(v)]))
        }
        (Verdict::Without(predicate, left_out), Some(family)) if !is_equality => {
            Verdict::Without(Rc::new(move |v| Sql::and([family(v), predicate(v)])), left_out)
        }
        (verdict, _) => verdict,
    }
}

fn family_condition(typed: &Typed) -> Option<Predicate> {
    match typed.family? {
        Family::Ipv4 => Some(Rc::new(|v| sql!("{} NOT LIKE '%:%'", v))),
        Family::Ipv6 => Some(Rc::new(|v| sql!("{} LIKE '%:%'", v))),
    }
}

#[cfg(test)]
mod tests {
    use stix::pattern::{Literal, Value};

    use super::texts::is_like;
    use super::*;
    use crate::map::Kind;

    fn literal(value: Value) -> Literal {
        Literal { value, span: 0..0 }
    }

    fn asked(column_type: &str, kind: Option<Kind>, operator: &Operator, negated: bool) -> String {
        let typed = Typed { column_type: column_type.parse().unwrap(), kind, family: None };
        match compare(&typed, operator, negated) {
            Verdict::Test(predicate) | Verdict::Without(predicate, _) => predicate(&Sql::code("c")).to_string(),
            Verdict::Never(reasons) => format!("never: {}", reasons.join("; ")),
            Verdict::Refused { message, .. } => format!("refused: {message}"),
        }
    }

    fn text(value: &str) -> Literal {
        literal(Value::Text(value.to_owned()))
    }

    #[test]
    fn constants_are_typed_by_the_column() {
        let equal = |t: &str, value| asked(t, None, &Operator::Equal(literal(value)), false);
        assert_eq!(equal("integer", Value::Integer(3389)), "c = 3389");
        assert_eq!(equal("integer", Value::Text("3389".to_owned())), "c = 3389");
        assert_eq!(equal("bigint", Value::Integer(16_777_217)), "c = 16777217");
        assert_eq!(equal("bigint", Value::Float(7.0)), "c = 7");
        assert_eq!(equal("bigint", Value::Float(7.5)), "never: no value equals the number 7.5");
        assert_eq!(equal("integer", Value::Text("rdp".to_owned())), "never: the text \"rdp\" is no number");
        assert_eq!(equal("double", Value::Text("7.5".to_owned())), "c = 7.5E0");
        assert_eq!(equal("boolean", Value::Text("True".to_owned())), "c = TRUE");
        assert_eq!(equal("varchar", Value::Integer(979_326_520_502)), "c = '979326520502'");
        assert_eq!(equal("varchar", Value::Boolean(true)), "never: the boolean true cannot equal a value of that type");
        assert_eq!(equal("timestamp(3)", Value::Timestamp(1_500_000_000)), "c = TIMESTAMP '1970-01-01 00:00:01.500'");
    }

    #[test]
    fn a_constant_that_no_value_equals_is_named_once() {
        let typed = Typed { column_type: ColumnType::Integer, kind: None, family: None };
        let ports = Operator::In(vec![text("ssh"), literal(Value::Integer(22)), text("ssh"), text("rdp")]);
        let Verdict::Without(_, left_out) = compare(&typed, &ports, false) else { panic!("two are no numbers") };
        assert_eq!(left_out, ["the text \"ssh\" is no number", "the text \"rdp\" is no number"]);
    }

    #[test]
    fn an_order_among_whole_numbers_keeps_fractions_exact() {
        let value = || literal(Value::Float(4.2));
        assert_eq!(asked("bigint", None, &Operator::Less(value()), false), "c <= 4");
        assert_eq!(asked("bigint", None, &Operator::LessOrEqual(value()), false), "c <= 4");
        assert_eq!(asked("bigint", None, &Operator::Greater(value()), false), "c > 4");
        assert_eq!(asked("bigint", None, &Operator::GreaterOrEqual(value()), true), "c <= 4");
        let time = || literal(Value::Timestamp(1_704_067_200_123_456_789));
        let milliseconds = Some(Kind::Milliseconds);
        assert_eq!(asked("bigint", milliseconds, &Operator::Less(time()), false), "c <= 1704067200123");
        assert_eq!(asked("bigint", milliseconds, &Operator::Greater(time()), false), "c > 1704067200123");
        assert_eq!(asked("bigint", Some(Kind::Seconds), &Operator::Greater(time()), false), "c > 1704067200");
        assert_eq!(asked("bigint", milliseconds, &Operator::NotEqual(time()), false), "c IS NOT NULL");
        assert_eq!(asked("bigint", None, &Operator::Less(literal(Value::Float(1e300))), false), "c IS NOT NULL");
    }

    #[test]
    fn folded_columns_are_lower_cased_only_where_it_matters() {
        let folded = Some(Kind::Folded);
        assert_eq!(asked("varchar", folded, &Operator::Equal(text("AbC")), false), "lower(c) = 'abc'");
        assert_eq!(asked("varchar", folded, &Operator::Equal(text("198.51.100.7")), false), "c = '198.51.100.7'");
        assert_eq!(asked("varchar", folded, &Operator::Like(text("%.COM")), true), "lower(c) NOT LIKE '%.com'");
        assert_eq!(asked("varchar", folded, &Operator::Matches(text("^A")), false), "regexp_like(c, '(?i)^A')");
        assert_eq!(asked("varchar", None, &Operator::Equal(text("AbC")), false), "c = 'AbC'");
    }

    #[test]
    fn an_address_with_the_prefix_of_a_single_one_is_the_address() {
        let equal = |kind, value: &str| asked("varchar", Some(kind), &Operator::Equal(text(value)), false);
        assert_eq!(equal(Kind::Address, "10.8.8.10/32"), "c = '10.8.8.10'");
        assert_eq!(equal(Kind::Address, "2001:DB8:0::7/128"), "lower(c) IN ('2001:db8:0::7', '2001:db8::7')");
        assert_eq!(equal(Kind::Address, "10.8.8.10/31"), "c = '10.8.8.10/31'");
        assert_eq!(equal(Kind::Network, "10.8.8.10"), "c IN ('10.8.8.10', '10.8.8.10/32')");
        assert_eq!(equal(Kind::Folded, "10.8.8.10/32"), "c = '10.8.8.10/32'");
        let list = Operator::In(vec![text("10.8.8.10/32"), text("198.51.100.7")]);
        assert_eq!(asked("varchar", Some(Kind::Address), &list, true), "c NOT IN ('10.8.8.10', '198.51.100.7')");
        let different = Operator::NotEqual(text("10.8.8.10/32"));
        assert_eq!(asked("varchar", Some(Kind::Address), &different, false), "c <> '10.8.8.10'");
    }

    #[test]
    fn sets_keep_what_can_be_equal() {
        let set = Operator::In(vec![text("22"), text("ssh"), literal(Value::Integer(3389))]);
        assert_eq!(asked("integer", None, &set, false), "c IN (22, 3389)");
        assert_eq!(asked("integer", None, &set, true), "c NOT IN (22, 3389)");
        assert_eq!(asked("integer", None, &Operator::In(vec![]), false), "never: nothing is in an empty set");
        assert_eq!(asked("integer", None, &Operator::In(vec![]), true), "c IS NOT NULL");
    }

    #[test]
    fn networks_are_ranges_of_addresses() {
        let address = Some(Kind::Address);
        let subset = |network: &str| asked("varchar", address, &Operator::IsSubset(text(network)), false);
        assert_eq!(
            subset("198.51.100.77/24"),
            "TRY_CAST(c AS IPADDRESS) BETWEEN IPADDRESS '198.51.100.0' AND IPADDRESS '198.51.100.255'"
        );
        assert_eq!(
            subset("2001:db8::/32"),
            "TRY_CAST(c AS IPADDRESS) BETWEEN IPADDRESS '2001:db8::' AND IPADDRESS '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff'"
        );
        assert!(subset("::/0").ends_with(" AND c LIKE '%:%')"), "{}", subset("::/0"));
        assert!(subset("0.0.0.0/0").ends_with("IPADDRESS '255.255.255.255'"));
        assert_eq!(subset("198.51.100.0/33"), "refused: \"198.51.100.0/33\" is neither an address nor a network");
        let superset = |network: &str| asked("varchar", address, &Operator::IsSuperset(text(network)), false);
        assert_eq!(superset("198.51.100.7/32"), "TRY_CAST(c AS IPADDRESS) = IPADDRESS '198.51.100.7'");
        assert_eq!(superset("198.51.100.0/24"), "never: a single address holds no network");
    }

    #[test]
    fn protocols_are_found_by_name_and_by_number() {
        let number = |operator: &Operator| asked("integer", Some(Kind::ProtocolNumber), operator, false);
        assert_eq!(number(&Operator::Equal(text("TCP"))), "c = 6");
        assert_eq!(number(&Operator::Equal(literal(Value::Integer(17)))), "c = 17");
        assert!(number(&Operator::Equal(text("http"))).starts_with("never"));
        assert!(number(&Operator::Equal(text("ipv6"))).starts_with("never"));
        assert_eq!(number(&Operator::Like(text("tc_"))), "c IN (6)");
        let name = |operator: &Operator| asked("varchar", Some(Kind::ProtocolName), operator, false);
        assert_eq!(name(&Operator::Equal(text("TCP"))), "lower(c) = 'tcp'");
        assert_eq!(name(&Operator::Equal(literal(Value::Integer(6)))), "lower(c) = 'tcp'");
        let version = |operator: &Operator| asked("integer", Some(Kind::ProtocolVersion), operator, false);
        assert_eq!(version(&Operator::Equal(text("ipv6"))), "c = 6");
        assert!(version(&Operator::Equal(text("tcp"))).starts_with("never"));
    }

    #[test]
    fn like_is_decided_here_as_in_sql() {
        for (value, pattern, expected) in
            [("tcp", "t%", true), ("tcp", "_c_", true), ("tcp", "%", true), ("tcp", "tc", false), ("", "%%", true)]
        {
            assert_eq!(is_like(value, pattern), expected, "{value} {pattern}");
        }
    }
}
