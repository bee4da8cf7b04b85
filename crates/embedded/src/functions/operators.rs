//! Operators: what types they take, what they give.

use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::arrow::compute::kernels::numeric;
use datafusion::common::{Result as DataFusionResult, ScalarValue};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use query::QueryError;

use super::{arrays, chains, dates, maps, rows};
use crate::error::{invalid, unsupported};
use crate::functions::cast::coerce;
use crate::functions::equality::structural;
use crate::functions::native::{Cell, Out, Typed, build, by_array, call, failed, mistake, strict};
use crate::functions::numbers::{divide_half_up, rescale};
use crate::syntax::ast::{Arithmetic, At, Comparison, LinkOperator};
use crate::types::Type;

impl Comparison {
    fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    fn operator(self) -> Operator {
        match self {
            Self::Equal => Operator::Eq,
            Self::NotEqual => Operator::NotEq,
            Self::Less => Operator::Lt,
            Self::LessOrEqual => Operator::LtEq,
            Self::Greater => Operator::Gt,
            Self::GreaterOrEqual => Operator::GtEq,
        }
    }

    fn holds(self, ordering: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

pub(crate) fn binary(left: Expr, operator: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), operator, Box::new(right)))
}

/// Many terms as a tree of small depth.
pub(crate) fn balanced(mut terms: Vec<Expr>, and: bool) -> Expr {
    let operator = if and { Operator::And } else { Operator::Or };
    while terms.len() > 1 {
        let mut pairs = Vec::with_capacity(terms.len().div_ceil(2));
        let mut rest = terms.into_iter();
        while let Some(left) = rest.next() {
            pairs.push(match rest.next() {
                Some(right) => binary(left, operator, right),
                None => left,
            });
        }
        terms = pairs;
    }
    terms.pop().unwrap_or_else(|| datafusion::logical_expr::lit(and))
}

/// Both sides in the type in which they are compared.
fn comparable(at: At, symbol: &str, left: Typed, right: Typed) -> Result<(Typed, Typed, Type), QueryError> {
    let common = match (&left.ty, &right.ty) {
        // Instants are compared, whatever their zones.
        (Type::TimestampTz(a, _), Type::TimestampTz(b, _)) => Some(Type::TimestampTz(*a.max(b), crate::types::utc())),
        (Type::TimestampTz(a, _), Type::Timestamp(b)) | (Type::Timestamp(a), Type::TimestampTz(b, _)) => {
            Some(Type::TimestampTz(*a.max(b), crate::types::utc()))
        }
        (Type::TimestampTz(a, _), Type::Date) | (Type::Date, Type::TimestampTz(a, _)) => {
            Some(Type::TimestampTz(*a, crate::types::utc()))
        }
        (a, b) => a.common(b),
    };
    let Some(common) = common else {
        let remedy =
            crate::error::operator_remedy(&left.ty, &right.ty).map_or_else(String::new, |it| format!("; {it}"));
        return invalid(at, format_args!("Cannot apply operator: {} {symbol} {}{remedy}", left.ty, right.ty));
    };
    Ok((coerce(left, &common)?, coerce(right, &common)?, common))
}

pub(crate) fn compare(at: At, comparison: Comparison, left: Typed, right: Typed) -> Result<Expr, QueryError> {
    let symbol = comparison.symbol();
    let (left, right, ty) = comparable(at, symbol, left, right)?;
    let equality = matches!(comparison, Comparison::Equal | Comparison::NotEqual);
    if !(if equality { ty.is_comparable() } else { ty.is_orderable() }) {
        return invalid(at, format_args!("Cannot apply operator: {ty} {symbol} {ty}"));
    }
    Ok(match &ty {
        // NaN is not equal to itself and zero has one value, other than in Arrow's order.
        Type::Double | Type::Real => {
            let body = strict(&Type::Boolean, move |cells| {
                let ordering = cells[0].double()?.partial_cmp(&cells[1].double()?);
                Ok(Out::Boolean(match ordering {
                    Some(ordering) => comparison.holds(ordering),
                    None => comparison == Comparison::NotEqual,
                }))
            });
            call("compare", symbol, vec![left, right], Type::Boolean, body).expr
        }
        Type::Array(_) | Type::Map(..) | Type::Row(_) => {
            if !equality {
                return unsupported(format!("comparison {symbol} of {ty}"), "compare its parts");
            }
            let of = ty.clone();
            let equal = comparison == Comparison::Equal;
            let body = by_array(move |arrays| {
                let (a, b) = (&arrays[0], &arrays[1]);
                let values = (0..a.len()).map(|row| {
                    Ok(match structural(a.as_ref(), row, b.as_ref(), row, &of)? {
                        Some(same) => Out::Boolean(same == equal),
                        None => Out::Null,
                    })
                });
                build(&Type::Boolean.arrow(), values.collect::<DataFusionResult<_>>()?)
            });
            call("compare", symbol, vec![left, right], Type::Boolean, body).expr
        }
        _ => binary(left.expr, comparison.operator(), right.expr),
    })
}

pub(crate) fn equal(at: At, left: Typed, right: Typed) -> Result<Expr, QueryError> {
    compare(at, Comparison::Equal, left, right)
}

pub(crate) fn is_distinct(at: At, left: Typed, right: Typed, negated: bool) -> Result<Typed, QueryError> {
    let (left, right, ty) = comparable(at, "IS DISTINCT FROM", left, right)?;
    if matches!(ty, Type::Array(_) | Type::Map(..) | Type::Row(_)) {
        return unsupported(format!("IS DISTINCT FROM of {ty}"), "compare its parts");
    }
    let operator = if negated { Operator::IsNotDistinctFrom } else { Operator::IsDistinctFrom };
    Ok(Typed::new(binary(left.expr, operator, right.expr), Type::Boolean))
}

pub(crate) fn in_list(at: At, value: Typed, list: Vec<Typed>, negated: bool) -> Result<Typed, QueryError> {
    let mut ty = value.ty.clone();
    for item in &list {
        match ty.common(&item.ty) {
            Some(common) => ty = common,
            None => {
                return invalid(
                    at,
                    format_args!("IN value and list items must be the same type or coercible to it: {ty}, {}", item.ty),
                );
            }
        }
    }
    if matches!(ty, Type::Double | Type::Real)
        && let Some(numbers) = list.iter().map(|item| constant(item, &ty)).collect::<Option<Vec<_>>>()
    {
        let found = chains::is_one_of(coerce(value, &ty)?, &numbers).expr;
        return Ok(Typed::new(if negated { Expr::Not(Box::new(found)) } else { found }, Type::Boolean));
    }
    let found = if matches!(ty, Type::Double | Type::Real | Type::Array(_) | Type::Map(..) | Type::Row(_)) {
        let terms = list
            .into_iter()
            .map(|item| compare(at, Comparison::Equal, value.clone(), item))
            .collect::<Result<Vec<_>, _>>()?;
        let any = balanced(terms, false);
        if negated { Expr::Not(Box::new(any)) } else { any }
    } else {
        let value = coerce(value, &ty)?.expr;
        let list = list.into_iter().map(|item| Ok(coerce(item, &ty)?.expr)).collect::<Result<Vec<_>, QueryError>>()?;
        Expr::InList(InList::new(Box::new(value), list, negated))
    };
    Ok(Typed::new(found, Type::Boolean))
}

/// The number that an item of an IN list is, as a double or real: null is none. `None` for what is not constant.
fn constant(item: &Typed, ty: &Type) -> Option<Option<f64>> {
    match coerce(item.clone(), ty).ok()?.as_literal()? {
        ScalarValue::Float64(number) => Some(*number),
        ScalarValue::Float32(number) => Some(number.map(f64::from)),
        ScalarValue::Null => Some(None),
        _ => None,
    }
}

pub(crate) fn coalesce(values: Vec<Typed>, ty: Type) -> Typed {
    let values = values.into_iter().map(|value| value.expr).collect();
    Typed::new(datafusion::functions::core::expr_fn::coalesce(values), ty)
}

/// An operator of a chain.
pub(crate) fn link(at: At, operator: LinkOperator, left: Typed, right: Typed) -> Result<Typed, QueryError> {
    match operator {
        LinkOperator::Arithmetic(operator) => arithmetic(at, operator, left, right),
        LinkOperator::Concat => concat(at, left, right),
    }
}

pub(crate) fn concat(at: At, left: Typed, right: Typed) -> Result<Typed, QueryError> {
    match (&left.ty, &right.ty) {
        (Type::Unknown, Type::Unknown | Type::Array(_)) | (Type::Array(_), Type::Unknown) => {
            invalid(at, "Could not choose a best candidate operator. Explicit type casts must be added.")
        }
        // Trino takes a NULL without a type for an array of the other's type.
        (Type::Unknown, of) | (of, Type::Unknown) => {
            coerce(Typed::literal(ScalarValue::Null, Type::Unknown), &Type::array(of.clone()))
        }
        (Type::Varchar, Type::Varchar) => {
            let (left, right) = (coerce(left, &Type::Varchar)?, coerce(right, &Type::Varchar)?);
            Ok(Typed::new(binary(left.expr, Operator::StringConcat, right.expr), Type::Varchar))
        }
        (Type::Array(_), _) | (_, Type::Array(_)) => arrays::concat(at, vec![left, right]),
        (Type::Varbinary, Type::Varbinary) => {
            let body =
                strict(&Type::Varbinary, |cells| Ok(Out::Bytes([cells[0].bytes()?, cells[1].bytes()?].concat())));
            Ok(call("concat", "", vec![left, right], Type::Varbinary, body))
        }
        (a, b) => invalid(at, format_args!("Cannot apply operator: {a} || {b}; cast to varchar first")),
    }
}

pub(crate) fn negate(at: At, value: Typed) -> Result<Typed, QueryError> {
    let ty = value.ty.clone();
    match &ty {
        Type::Unknown => Ok(value),
        ty if ty.is_integer() => {
            let zero = coerce(Typed::literal(ScalarValue::Int32(Some(0)), Type::Integer), ty)?;
            arithmetic(at, Arithmetic::Subtract, zero, value)
        }
        Type::Double | Type::Real | Type::Decimal(..) | Type::DayInterval | Type::MonthInterval => {
            let body = strict(&ty, |cells| {
                Ok(match cells[0] {
                    Cell::Double(value) => Out::Double(-value),
                    Cell::Decimal(value) => Out::Decimal(-value),
                    ref other => Out::Integer(-other.integer()?),
                })
            });
            Ok(call("negate", "", vec![value], ty, body))
        }
        other => invalid(at, format_args!("Cannot negate {other}")),
    }
}

pub(crate) fn arithmetic(at: At, operator: Arithmetic, left: Typed, right: Typed) -> Result<Typed, QueryError> {
    use Type::{Date, DayInterval, Decimal, MonthInterval, Timestamp, TimestampTz, Unknown};
    let symbol = match operator {
        Arithmetic::Add => "+",
        Arithmetic::Subtract => "-",
        Arithmetic::Multiply => "*",
        Arithmetic::Divide => "/",
        Arithmetic::Modulus => "%",
    };
    let wrong = |a: &Type, b: &Type| invalid(at, format_args!("Cannot apply operator: {a} {symbol} {b}"));
    let (left, right) = match (&left.ty, &right.ty) {
        (Unknown, Unknown) => return Ok(left),
        (Unknown, ty) if ty.is_number() => (coerce(left, &ty.clone())?, right),
        (ty, Unknown) if ty.is_number() => {
            let ty = ty.clone();
            (left, coerce(right, &ty)?)
        }
        _ => (left, right),
    };
    match (&left.ty, &right.ty) {
        (a, b) if a.is_number() && b.is_number() => {
            let Some(ty) = a.common(b) else { return wrong(a, b) };
            if let Decimal(..) = ty {
                return decimals(at, operator, symbol, left, right);
            }
            let (left, right) = (coerce(left, &ty)?, coerce(right, &ty)?);
            let overflow = ty.to_string();
            let body = by_array(move |arrays: &[ArrayRef]| -> DataFusionResult<ArrayRef> {
                let (a, b) = (&arrays[0], &arrays[1]);
                let result = match operator {
                    Arithmetic::Add => numeric::add(a, b),
                    Arithmetic::Subtract => numeric::sub(a, b),
                    Arithmetic::Multiply => numeric::mul(a, b),
                    Arithmetic::Divide => numeric::div(a, b),
                    Arithmetic::Modulus => numeric::rem(a, b),
                };
                result.map_err(|error| match error {
                    datafusion::arrow::error::ArrowError::DivideByZero => failed("Division by zero"),
                    other => failed(format!("{overflow} overflow: {other}")),
                })
            });
            Ok(call(symbol, "", vec![left, right], ty, body))
        }
        (Date | Timestamp(_) | TimestampTz(..), DayInterval | MonthInterval)
        | (DayInterval | MonthInterval, Date | Timestamp(_) | TimestampTz(..))
        | (Date, Date)
        | (Timestamp(_), Timestamp(_) | Date)
        | (Date, Timestamp(_))
        | (TimestampTz(..), TimestampTz(..)) => {
            let (a, b) = (left.ty.clone(), right.ty.clone());
            match dates::arithmetic(operator, symbol, left, right) {
                Some(value) => value,
                None => wrong(&a, &b),
            }
        }
        (DayInterval, DayInterval) | (MonthInterval, MonthInterval)
            if matches!(operator, Arithmetic::Add | Arithmetic::Subtract) =>
        {
            let ty = left.ty.clone();
            let sign = if operator == Arithmetic::Add { 1 } else { -1 };
            let body = strict(&ty, move |cells| Ok(Out::Integer(cells[0].integer()? + sign * cells[1].integer()?)));
            Ok(call(symbol, "interval", vec![left, right], ty, body))
        }
        (DayInterval | MonthInterval, b)
            if b.is_number() && matches!(operator, Arithmetic::Multiply | Arithmetic::Divide) =>
        {
            scaled_interval(operator, symbol, left, right)
        }
        (a, DayInterval | MonthInterval) if a.is_number() && operator == Arithmetic::Multiply => {
            scaled_interval(operator, symbol, right, left)
        }
        (a, b) => wrong(a, b),
    }
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "Trino multiplies as doubles, too")]
fn scaled_interval(operator: Arithmetic, symbol: &str, interval: Typed, number: Typed) -> Result<Typed, QueryError> {
    let ty = interval.ty.clone();
    let number = if number.ty.is_integer() { coerce(number, &Type::Bigint)? } else { coerce(number, &Type::Double)? };
    let body = strict(&ty, move |cells| {
        let value = cells[0].integer()?;
        Ok(Out::Integer(match (&cells[1], operator) {
            (Cell::Integer(number), Arithmetic::Multiply) => {
                value.checked_mul(*number).ok_or_else(|| failed("interval overflow"))?
            }
            (Cell::Integer(0), _) => return Err(failed("Division by zero")),
            (Cell::Integer(number), _) => value / number,
            (other, Arithmetic::Multiply) => (value as f64 * other.double()?) as i64,
            (other, _) => (value as f64 / other.double()?) as i64,
        }))
    });
    Ok(call(symbol, "interval", vec![interval, number], ty, body))
}

fn decimals(at: At, operator: Arithmetic, symbol: &str, left: Typed, right: Typed) -> Result<Typed, QueryError> {
    let (Type::Decimal(p1, s1), Type::Decimal(p2, s2)) = (left.ty.as_decimal(), right.ty.as_decimal()) else {
        return invalid(at, "not decimals");
    };
    let (left, right) = (coerce(left, &Type::Decimal(p1, s1))?, coerce(right, &Type::Decimal(p2, s2))?);
    let scale = s1.max(s2);
    let (precision, scale) = match operator {
        Arithmetic::Add | Arithmetic::Subtract => ((p1 - s1).max(p2 - s2) + scale + 1, scale),
        Arithmetic::Multiply => (p1 + p2, s1 + s2),
        Arithmetic::Divide => (p1 + s2 + s2.saturating_sub(s1), scale),
        Arithmetic::Modulus => ((p1 - s1).min(p2 - s2) + scale, scale),
    };
    if scale > 38 {
        return invalid(
            at,
            format_args!("the product of decimal({p1},{s1}) and decimal({p2},{s2}) has too many digits"),
        );
    }
    let ty = Type::Decimal(precision.clamp(1, 38), scale);
    let body = strict(&ty, move |cells| {
        let (Cell::Decimal(a), Cell::Decimal(b)) = (&cells[0], &cells[1]) else {
            return Err(mistake("decimals", format_args!("{} and {}", cells[0].kind(), cells[1].kind())));
        };
        let overflow = || failed("Decimal overflow");
        let (x, y) = (rescale(*a, s1, scale), rescale(*b, s2, scale));
        let value = match operator {
            Arithmetic::Add => x.and_then(|x| x.checked_add(y?)),
            Arithmetic::Subtract => x.and_then(|x| x.checked_sub(y?)),
            Arithmetic::Multiply => a.checked_mul(*b),
            Arithmetic::Divide | Arithmetic::Modulus if *b == 0 => return Err(failed("Division by zero")),
            Arithmetic::Divide => {
                // a / 10^s1 : b / 10^s2, with `scale` digits behind the point.
                let shift = u32::from(scale) + u32::from(s2) - u32::from(s1);
                10_i128
                    .checked_pow(shift)
                    .and_then(|power| a.checked_mul(power))
                    .map(|numerator| divide_half_up(if *b < 0 { -numerator } else { numerator }, b.abs()))
            }
            Arithmetic::Modulus => x.and_then(|x| x.checked_rem(y?)),
        };
        Ok(Out::Decimal(value.ok_or_else(overflow)?))
    });
    Ok(call(symbol, "decimal", vec![left, right], ty, body))
}

/// `base[index]`: an element of an array, a value of a map, a field of a row.
pub(crate) fn subscript(at: At, base: Typed, index: Typed) -> Result<Typed, QueryError> {
    match base.ty.clone() {
        Type::Array(_) => {
            let index = match index.ty.coerces_to(&Type::Bigint) {
                true => coerce(index, &Type::Bigint)?,
                false => return invalid(at, format_args!("an array's subscript must be an integer, not {}", index.ty)),
            };
            arrays::element(base, index, true)
        }
        Type::Map(key, _) => {
            if !index.ty.coerces_to(&key) {
                return invalid(at, format_args!("the map's key is {key}, not {}", index.ty));
            }
            let index = coerce(index, &key)?;
            maps::value_of(base, index, true)
        }
        Type::Row(fields) => match index.as_literal() {
            Some(ScalarValue::Int32(Some(position))) if (1..=fields.len()).contains(&(*position as usize)) => {
                rows::field_at(base, *position as usize - 1)
            }
            _ => invalid(at, format_args!("a row's subscript is a number from 1 to {}", fields.len())),
        },
        other => invalid(at, format_args!("Cannot use {} for subscript of {other}", index.ty)),
    }
}
