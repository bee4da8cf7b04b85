//! `<`, `<=`, `>` and `>=`.

use sql::sql;
use sql::text::Sql;
use stix::pattern::{Literal, Value};

use super::scale::{Operand, Point, Scale, describe, double, fold, operand, scale};
use super::verdict::{Typed, Verdict, no_scale};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A relation, `NOT` already applied: the complement of an order is an order.
#[derive(Clone, Copy)]
pub(super) struct Order(Relation);

impl Order {
    pub(super) fn new(relation: Relation, negated: bool) -> Self {
        Self(match (relation, negated) {
            (relation, false) => relation,
            (Relation::Less, true) => Relation::GreaterOrEqual,
            (Relation::LessOrEqual, true) => Relation::Greater,
            (Relation::Greater, true) => Relation::LessOrEqual,
            (Relation::GreaterOrEqual, true) => Relation::Less,
        })
    }

    fn condition(self, left: &Sql, right: &Sql) -> Sql {
        match self.0 {
            Relation::Less => sql!("{} < {}", left, right),
            Relation::LessOrEqual => sql!("{} <= {}", left, right),
            Relation::Greater => sql!("{} > {}", left, right),
            Relation::GreaterOrEqual => sql!("{} >= {}", left, right),
        }
    }
}

pub(super) fn ordering(typed: &Typed, order: Order, literal: &Literal) -> Verdict {
    let Some(scale) = scale(typed) else { return no_scale(typed) };
    if let (Scale::Text { .. }, Value::Integer(_)) = (&scale, &literal.value) {
        return Verdict::never(format!("{} has no order among texts", describe(&literal.value)));
    }
    let operand = match operand(&scale, literal) {
        Ok(operand) => operand,
        Err(reason) => return Verdict::never(reason.to_string()),
    };
    match operand {
        Operand::Point(point) => {
            let Scale::Whole { write, read, .. } = scale else {
                return Verdict::never("protocols have no order");
            };
            let upwards = matches!(order.0, Relation::Greater | Relation::GreaterOrEqual);
            let (order, number) = match point {
                Point::At(number) => (order, number),
                // `< 4.2` of whole numbers is `<= 4`, and so is `<= 4.2`.
                Point::After(number) if upwards => (Order(Relation::Greater), number),
                Point::After(number) => (Order(Relation::LessOrEqual), number),
                Point::BelowAll if upwards => return Verdict::test(|v| sql!("{} IS NOT NULL", v)),
                Point::AboveAll if !upwards => return Verdict::test(|v| sql!("{} IS NOT NULL", v)),
                Point::BelowAll | Point::AboveAll => return Verdict::never("no value of the column is there"),
            };
            let value = write(number);
            Verdict::test(move |v| order.condition(&read(v), &value))
        }
        Operand::Double(number) => {
            let value = double(&typed.column_type, number);
            Verdict::test(move |v| order.condition(v, &value))
        }
        Operand::Text(text) => match scale {
            Scale::Text { folded: true } => {
                let value = Sql::text(&fold(&text));
                Verdict::test(move |v| order.condition(&sql!("lower({})", v), &value))
            }
            Scale::Text { folded: false } => {
                let value = Sql::text(&text);
                Verdict::test(move |v| order.condition(v, &value))
            }
            _ => Verdict::never("protocols have no order"),
        },
        Operand::Boolean(_) => Verdict::never("booleans have no order"),
    }
}
