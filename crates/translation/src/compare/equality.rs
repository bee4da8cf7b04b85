//! `=`, `!=` and `IN`.

use std::collections::BTreeSet;
use std::rc::Rc;

use sql::sql;
use sql::text::Sql;
use stix::network::Spellings;
use stix::pattern::Literal;

use super::scale::{Operand, Point, Scale, describe, double, fold, is_cased, operand, scale, unchanged};
use super::verdict::{Predicate, Typed, Verdict, no_scale};
use crate::map::Kind;

pub(super) fn equality(typed: &Typed, literals: &[Literal], negated: bool) -> Verdict {
    let Some(scale) = scale(typed) else { return no_scale(typed) };
    if literals.is_empty() {
        let anything = |v: &Sql| sql!("{} IS NOT NULL", v);
        return if negated { Verdict::test(anything) } else { Verdict::never("nothing is in an empty set") };
    }
    let mut values: Vec<Sql> = Vec::new();
    let mut folded = false;
    let mut reasons = Vec::new();
    // A constant of the right type between the values that the column can have: never equal, always different.
    let mut is_comparable = false;
    for literal in literals {
        match operand(&scale, literal) {
            Err(reason) => reasons.push(reason.to_string()),
            Ok(operand) => {
                is_comparable = true;
                match operand {
                    Operand::Point(Point::At(number)) => values.push(match &scale {
                        Scale::Whole { write, .. } => write(number),
                        _ => Sql::integer(number),
                    }),
                    Operand::Point(_) => reasons.push(format!("no value equals {}", describe(&literal.value))),
                    Operand::Double(number) => values.push(double(&typed.column_type, number)),
                    Operand::Boolean(value) => values.push(Sql::boolean(value)),
                    Operand::Text(text) => {
                        let folds = matches!(scale, Scale::Text { folded: true } | Scale::Protocol(_));
                        for text in spellings(typed.kind, text) {
                            folded |= folds && is_cased(&text);
                            values.push(Sql::text(&if folds { fold(&text) } else { text }));
                        }
                    }
                }
            }
        }
    }
    // `IN` may name a constant twice.
    let mut seen = BTreeSet::new();
    reasons.retain(|reason: &String| seen.insert(reason.clone()));
    let read: Rc<dyn Fn(&Sql) -> Sql> = match (&scale, folded) {
        (Scale::Whole { read, .. }, _) => Rc::new(*read),
        (_, true) => Rc::new(|v| sql!("lower({})", v)),
        (_, false) => Rc::new(unchanged),
    };
    let predicate: Predicate = match (&values[..], negated) {
        ([], true) if is_comparable => Rc::new(|v| sql!("{} IS NOT NULL", v)),
        ([], _) => return Verdict::Never(reasons),
        ([value], _) => {
            let value = value.clone();
            Rc::new(move |v| if negated { sql!("{} <> {}", read(v), value) } else { sql!("{} = {}", read(v), value) })
        }
        (_, _) => {
            let list = Sql::list(values);
            Rc::new(
                move |v| {
                    if negated { sql!("{} NOT IN ({})", read(v), list) } else { sql!("{} IN ({})", read(v), list) }
                },
            )
        }
    };
    if reasons.is_empty() { Verdict::Test(predicate) } else { Verdict::Without(predicate, reasons) }
}

/// The texts that a column has for a constant. An address is the same with the prefix that leaves no bit open, and IPv6 has a
/// short form.
fn spellings(kind: Option<Kind>, text: String) -> Vec<String> {
    match (kind, Spellings::of(&text)) {
        (Some(Kind::Address), Some(Spellings { alone, .. })) => alone,
        (Some(Kind::Network), Some(Spellings { alone, networks })) => [alone, networks].concat(),
        _ => vec![text],
    }
}
