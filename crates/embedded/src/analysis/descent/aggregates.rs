//! Aggregations: what each is in terms of DataFusion's, and what is made of its result.

use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::functions_aggregate as df;
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams, NullTreatment, Sort};
use datafusion::logical_expr::{AggregateUDF, Case, Expr, lit};
use query::QueryError;

use crate::analysis::descent::expressions::Expressions;
use crate::error::{invalid, placed, unsupported};
use crate::functions;
use crate::functions::cast::coerce;
use crate::functions::native::Typed;
use crate::syntax::ast::{At, Call, Expression};
use crate::types::Type;

/// An aggregation of DataFusion.
pub(crate) struct Aggregation {
    pub(crate) function: Arc<AggregateUDF>,
    pub(crate) arguments: Vec<Expr>,
    pub(crate) distinct: bool,
    pub(crate) filter: Option<Expr>,
    pub(crate) order_by: Vec<Sort>,
    pub(crate) ignore_nulls: bool,
}

impl Aggregation {
    fn of(function: Arc<AggregateUDF>, arguments: Vec<Expr>) -> Self {
        Self { function, arguments, distinct: false, filter: None, order_by: Vec::new(), ignore_nulls: false }
    }

    fn where_(mut self, condition: Expr) -> Self {
        self.filter = Some(match self.filter {
            Some(filter) => filter.and(condition),
            None => condition,
        });
        self
    }

    fn ordered(mut self, order_by: Vec<Sort>) -> Self {
        self.order_by = order_by;
        self
    }

    pub(crate) fn expr(self) -> Expr {
        Expr::AggregateFunction(AggregateFunction {
            func: self.function,
            params: AggregateFunctionParams {
                args: self.arguments,
                distinct: self.distinct,
                filter: self.filter.map(Box::new),
                order_by: self.order_by,
                null_treatment: self.ignore_nulls.then_some(NullTreatment::IgnoreNulls),
            },
        })
    }
}

/// The arguments of an aggregation, analysed.
struct Request<'a> {
    at: At,
    call: &'a Call,
    arguments: Vec<Typed>,
    filter: Option<Expr>,
    order_by: Vec<Sort>,
}

impl Expressions<'_> {
    pub(crate) fn aggregate(&self, at: At, call: &Call) -> Result<Typed, QueryError> {
        let Some(collected) = self.collected else {
            return Err(self.no_place_for(at, "aggregations, window functions or grouping operations"));
        };
        let mut add = |aggregation: Aggregation, ty: Type| {
            let expr = aggregation.expr();
            let mut collected = collected.borrow_mut();
            if let Some((name, _)) = collected.aggregates.iter().find(|(_, known)| *known == expr) {
                return Typed::new(crate::analysis::analyzer::column(name), ty);
            }
            let (name, value) = self.placeholder(&call.name, ty);
            collected.aggregates.push((name, expr));
            value
        };
        self.aggregation(at, call, "an aggregation", &mut add)
    }

    /// What `call` gives, out of aggregations that `add` makes columns of.
    pub(crate) fn aggregation(
        &self,
        at: At,
        call: &Call,
        clause: &'static str,
        add: &mut dyn FnMut(Aggregation, Type) -> Typed,
    ) -> Result<Typed, QueryError> {
        // An aggregation in a window may contain aggregations, another may not.
        let inner = if call.over.is_some() { self.clone() } else { self.inside(clause) };
        let arguments = call.arguments.iter().map(|argument| inner.value(argument)).collect::<Result<Vec<_>, _>>()?;
        let filter = call.filter.as_ref().map(|filter| inner.boolean(filter)).transpose()?;
        let order_by = call
            .order_by
            .iter()
            .map(|item| crate::analysis::sorting::sort(item, inner.value(&item.expression)?))
            .collect::<Result<Vec<_>, _>>()?;
        if call.star && call.name != "count" {
            return invalid(at, format_args!("{}(*) is not a function", call.name));
        }
        if call.ignore_nulls {
            return unsupported(format!("{} with IGNORE NULLS", call.name), "use FILTER (WHERE … IS NOT NULL)");
        }
        let request = Request { at, call, arguments, filter, order_by };
        build(request, add).map_err(|error| placed(at, error))
    }

    pub(crate) fn grouping(&self, at: At, items: &[Expression]) -> Result<Typed, QueryError> {
        let Some(collected) = self.collected else {
            return Err(self.no_place_for(at, "grouping operations"));
        };
        let inner = self.inside("GROUPING");
        let arguments = items.iter().map(|item| Ok(inner.value(item)?.expr)).collect::<Result<Vec<_>, QueryError>>()?;
        if arguments.iter().any(|argument| !matches!(argument, Expr::Column(_))) {
            return unsupported("grouping() of an expression", "group by columns of a subquery");
        }
        let (name, value) = self.placeholder("grouping", Type::Integer);
        let expr = Aggregation::of(df::grouping::grouping_udaf(), arguments).expr();
        collected.borrow_mut().aggregates.push((name, expr));
        Ok(value)
    }
}

fn build(request: Request<'_>, add: &mut dyn FnMut(Aggregation, Type) -> Typed) -> Result<Typed, QueryError> {
    let Request { at, call, mut arguments, filter, order_by } = request;
    let name = call.name.as_str();
    let count = arguments.len();
    let types: Vec<String> = arguments.iter().map(|argument| argument.ty.to_string()).collect();
    let wrong = || invalid(at, format_args!("Unexpected parameters ({}) for function {name}", types.join(", ")));
    let limit = |mut aggregation: Aggregation| {
        aggregation.distinct |= call.distinct;
        if let Some(filter) = &filter {
            aggregation = aggregation.where_(filter.clone());
        }
        aggregation
    };
    if !order_by.is_empty() && !matches!(name, "array_agg" | "listagg") {
        return unsupported(format!("{name} with ORDER BY"), "leave the order out: the result does not depend on it");
    }
    if call.distinct && !matches!(name, "count" | "sum" | "avg" | "min" | "max" | "array_agg" | "listagg") {
        return unsupported(format!("{name} with DISTINCT"), "aggregate a SELECT DISTINCT");
    }
    let first = if count > 0 { Some(arguments.remove(0)) } else { None };
    let Some(value) = first else {
        return match name {
            "count" => Ok(add(limit(Aggregation::of(df::count::count_udaf(), vec![lit(1_i64)])), Type::Bigint)),
            _ => wrong(),
        };
    };
    let ty = value.ty.clone();
    Ok(match (name, count) {
        ("count", 1) => {
            let argument = if ty == Type::Unknown { coerce(value, &Type::Boolean)? } else { value };
            add(limit(Aggregation::of(df::count::count_udaf(), vec![argument.expr])), Type::Bigint)
        }
        ("count_if", 1) if ty == Type::Boolean => {
            let case = Case::new(None, vec![(Box::new(value.expr), Box::new(lit(1_i64)))], None);
            add(limit(Aggregation::of(df::count::count_udaf(), vec![Expr::Case(case)])), Type::Bigint)
        }
        ("sum", 1) => match ty {
            // So many rows that their sum leaves the range of a bigint do not exist.
            Type::Tinyint | Type::Smallint | Type::Integer => {
                let value = coerce(value, &Type::Bigint)?;
                add(limit(Aggregation::of(df::sum::sum_udaf(), vec![value.expr])), Type::Bigint)
            }
            // Added up with more digits, so that an overflow is an error.
            Type::Bigint => {
                let wide = Type::Decimal(38, 0);
                let value = native_cast(value, &wide);
                let sum = add(limit(Aggregation::of(df::sum::sum_udaf(), vec![value.expr])), wide);
                coerce(sum, &Type::Bigint)?
            }
            Type::Decimal(_, scale) => {
                let wide = Type::Decimal(38, scale);
                let value = coerce(value, &wide)?;
                add(limit(Aggregation::of(df::sum::sum_udaf(), vec![value.expr])), wide)
            }
            Type::Double => add(limit(Aggregation::of(df::sum::sum_udaf(), vec![value.expr])), Type::Double),
            Type::Real => {
                let value = coerce(value, &Type::Double)?;
                let sum = add(limit(Aggregation::of(df::sum::sum_udaf(), vec![value.expr])), Type::Double);
                coerce(sum, &Type::Real)?
            }
            _ => return wrong(),
        },
        ("avg", 1) => match ty {
            Type::Tinyint | Type::Smallint | Type::Integer | Type::Bigint | Type::Double | Type::Real => {
                let value = coerce(value, &Type::Double)?;
                let avg = add(limit(Aggregation::of(df::average::avg_udaf(), vec![value.expr])), Type::Double);
                if ty == Type::Real { coerce(avg, &Type::Real)? } else { avg }
            }
            Type::Decimal(..) => {
                return unsupported("avg of decimals", "cast to double");
            }
            _ => return wrong(),
        },
        ("min" | "max", 1) => {
            if !ty.is_orderable() {
                return wrong();
            }
            if matches!(ty, Type::Array(_) | Type::Row(_)) {
                return unsupported(format!("{name} of {ty}"), "aggregate its parts, or use max_by");
            }
            let function = if name == "min" { df::min_max::min_udaf() } else { df::min_max::max_udaf() };
            add(limit(Aggregation::of(function, vec![value.expr])), ty)
        }
        ("min" | "max", 2) => {
            let number = coerce(arguments.remove(0), &Type::Bigint)?;
            let order = vec![Sort::new(value.expr.clone(), name == "min", false)];
            let present = value.expr.clone().is_not_null();
            let all = Aggregation::of(df::array_agg::array_agg_udaf(), vec![value.expr]).ordered(order);
            let all = add(limit(all.where_(present)), Type::array(ty));
            functions::arrays::first(all, number)
        }
        ("bool_and" | "every" | "bool_or", 1) if matches!(ty, Type::Boolean | Type::Unknown) => {
            let value = coerce(value, &Type::Boolean)?;
            let function = match name {
                "bool_or" => df::bool_and_or::bool_or_udaf(),
                _ => df::bool_and_or::bool_and_udaf(),
            };
            add(limit(Aggregation::of(function, vec![value.expr])), Type::Boolean)
        }
        ("arbitrary" | "any_value", 1) => {
            let present = value.expr.clone().is_not_null();
            let aggregation = Aggregation::of(df::first_last::first_value_udaf(), vec![value.expr]).where_(present);
            add(limit(aggregation), ty)
        }
        ("array_agg", 1) => {
            let aggregation = Aggregation::of(df::array_agg::array_agg_udaf(), vec![value.expr]).ordered(order_by);
            let found = add(limit(aggregation), Type::array(ty));
            functions::arrays::renamed(found)
        }
        ("listagg", 1 | 2) if ty == Type::Varchar => {
            let separator = match arguments.pop() {
                Some(separator) => coerce(separator, &Type::Varchar)?,
                None => Typed::text(""),
            };
            let present = value.expr.clone().is_not_null();
            let aggregation = Aggregation::of(df::array_agg::array_agg_udaf(), vec![value.expr]);
            let all = add(limit(aggregation.ordered(order_by).where_(present)), Type::array(ty));
            functions::resolve(at, "array_join", vec![functions::arrays::renamed(all), separator])?
        }
        ("max_by" | "min_by", 2 | 3) => {
            let key = arguments.remove(0);
            if !key.ty.is_orderable() || matches!(key.ty, Type::Array(_) | Type::Row(_)) {
                return wrong();
            }
            let order = vec![Sort::new(key.expr.clone(), name == "min_by", false)];
            let present = key.expr.is_not_null();
            match arguments.pop() {
                None => {
                    let found = Aggregation::of(df::first_last::first_value_udaf(), vec![value.expr]).ordered(order);
                    add(limit(found.where_(present)), ty)
                }
                Some(number) => {
                    let number = coerce(number, &Type::Bigint)?;
                    let all = Aggregation::of(df::array_agg::array_agg_udaf(), vec![value.expr]).ordered(order);
                    let all = add(limit(all.where_(present)), Type::array(ty));
                    functions::arrays::first(functions::arrays::renamed(all), number)
                }
            }
        }
        ("map_agg" | "multimap_agg", 2) => {
            let entry_value = arguments.remove(0);
            let map = Type::map(ty, entry_value.ty.clone());
            let present = value.expr.clone().is_not_null();
            let entry = functions::rows::row(vec![value, entry_value]);
            let entry_type = entry.ty.clone();
            let all = Aggregation::of(df::array_agg::array_agg_udaf(), vec![entry.expr]).where_(present);
            let all = add(limit(all), Type::array(entry_type));
            functions::maps::of_entries(all, &map, name == "multimap_agg")?
        }
        ("histogram", 1) => {
            let present = value.expr.clone().is_not_null();
            let all = Aggregation::of(df::array_agg::array_agg_udaf(), vec![value.expr]).where_(present);
            let all = add(limit(all), Type::array(ty));
            functions::maps::histogram(all)?
        }
        // An exact count is within every error that may be asked for.
        ("approx_distinct", 1 | 2) => {
            let mut aggregation = Aggregation::of(df::count::count_udaf(), vec![value.expr]);
            aggregation.distinct = true;
            add(limit(aggregation), Type::Bigint)
        }
        ("approx_percentile", 2) if ty.is_number() && !matches!(ty, Type::Decimal(..)) => {
            let percentile = arguments.remove(0);
            // There are those of bigint, double and real.
            let ty = if ty.is_integer() { Type::Bigint } else { ty };
            let value = coerce(value, &ty)?;
            let present = value.expr.clone().is_not_null();
            let order = vec![Sort::new(value.expr.clone(), true, false)];
            let all = Aggregation::of(df::array_agg::array_agg_udaf(), vec![value.expr]).ordered(order);
            let all = add(limit(all.where_(present)), Type::array(ty));
            functions::arrays::percentile(at, functions::arrays::renamed(all), percentile)?
        }
        ("approx_percentile", _) => {
            return unsupported(
                "approx_percentile with weights or of decimals",
                "use the form with a value and a percentile",
            );
        }
        ("stddev" | "stddev_samp" | "stddev_pop" | "variance" | "var_samp" | "var_pop", 1) if ty.is_number() => {
            let value = coerce(value, &Type::Double)?;
            let function = match name {
                "stddev" | "stddev_samp" => df::stddev::stddev_udaf(),
                "stddev_pop" => df::stddev::stddev_pop_udaf(),
                "var_pop" => df::variance::var_pop_udaf(),
                _ => df::variance::var_samp_udaf(),
            };
            add(limit(Aggregation::of(function, vec![value.expr])), Type::Double)
        }
        ("corr" | "covar_samp" | "covar_pop" | "regr_slope" | "regr_intercept", 2) if ty.is_number() => {
            let function = match name {
                "corr" => df::correlation::corr_udaf(),
                "covar_samp" => df::covariance::covar_samp_udaf(),
                "covar_pop" => df::covariance::covar_pop_udaf(),
                "regr_slope" => df::regr::regr_slope_udaf(),
                _ => df::regr::regr_intercept_udaf(),
            };
            let (x, y) = (coerce(value, &Type::Double)?, coerce(arguments.remove(0), &Type::Double)?);
            add(limit(Aggregation::of(function, vec![x.expr, y.expr])), Type::Double)
        }
        ("bitwise_and_agg" | "bitwise_or_agg", 1) if ty.is_integer() => {
            let value = coerce(value, &Type::Bigint)?;
            let function = match name {
                "bitwise_and_agg" => df::bit_and_or_xor::bit_and_udaf(),
                _ => df::bit_and_or_xor::bit_or_udaf(),
            };
            add(limit(Aggregation::of(function, vec![value.expr])), Type::Bigint)
        }
        ("geometric_mean", 1) if ty.is_number() => {
            let value = functions::resolve(at, "ln", vec![value])?;
            let avg = add(limit(Aggregation::of(df::average::avg_udaf(), vec![value.expr])), Type::Double);
            functions::resolve(at, "exp", vec![avg])?
        }
        _ => return wrong(),
    })
}

/// A cast that DataFusion makes, for numbers that always fit.
fn native_cast(value: Typed, target: &Type) -> Typed {
    if let Some(ScalarValue::Int64(Some(number))) = value.as_literal() {
        let literal = ScalarValue::Decimal128(Some(i128::from(*number)), 38, 0);
        return Typed::literal(literal, target.clone());
    }
    let cast = datafusion::logical_expr::Cast::new(Box::new(value.expr), target.arrow());
    Typed::new(Expr::Cast(cast), target.clone())
}
