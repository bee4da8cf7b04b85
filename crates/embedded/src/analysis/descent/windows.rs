//! Window functions.

use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::functions_window as df;
use datafusion::logical_expr::expr::{NullTreatment, Sort, WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::{
    Expr, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowFunctionDefinition, WindowUDF,
};
use query::QueryError;

use crate::analysis::descent::aggregates::Aggregation;
use crate::analysis::descent::expressions::Expressions;
use crate::analysis::function_names::is_window_function;
use crate::error::{invalid, unsupported};
use crate::functions::cast::coerce;
use crate::functions::native::Typed;
use crate::syntax::ast::{At, Bound, Call, FrameUnits, Over, SortItem, Window};
use crate::types::Type;

/// PARTITION BY, ORDER BY and the frame, analysed.
#[derive(Clone)]
struct Specification {
    partition_by: Vec<Expr>,
    order_by: Vec<Sort>,
    frame: WindowFrame,
}

impl Expressions<'_> {
    pub(crate) fn window(&self, at: At, call: &Call) -> Result<Typed, QueryError> {
        let Some(collected) = self.collected else {
            return Err(self.no_place_for(at, "window functions"));
        };
        let over = match &call.over {
            Some(Over::Inline(window)) => (**window).clone(),
            Some(Over::Named(name)) => Window { base: Some(name.clone()), ..Window::default() },
            None => return invalid(at, "no window"),
        };
        let specification = self.specification(at, &over, 0)?;
        let add = |function: WindowFunctionDefinition, arguments: Vec<Expr>, filter: Option<Expr>, ty: Type| {
            let params = WindowFunctionParams {
                args: arguments,
                partition_by: specification.partition_by.clone(),
                order_by: specification.order_by.clone(),
                window_frame: specification.frame.clone(),
                filter: filter.map(Box::new),
                null_treatment: call.ignore_nulls.then_some(NullTreatment::IgnoreNulls),
                distinct: false,
            };
            let expr = Expr::WindowFunction(Box::new(WindowFunction { fun: function, params }));
            let mut collected = collected.borrow_mut();
            if let Some((name, _)) = collected.windows.iter().find(|(_, known)| *known == expr) {
                return Typed::new(crate::analysis::analyzer::column(name), ty);
            }
            let (name, value) = self.placeholder(&call.name, ty);
            collected.windows.push((name, expr));
            value
        };
        if is_window_function(&call.name) {
            if call.distinct || call.filter.is_some() || !call.order_by.is_empty() || call.star {
                return invalid(at, format_args!("{} takes neither DISTINCT nor FILTER nor ORDER BY", call.name));
            }
            return self.window_function(at, call, &specification, &mut |function, arguments, ty| {
                add(WindowFunctionDefinition::WindowUDF(function), arguments, None, ty)
            });
        }
        if !crate::analysis::function_names::is_aggregate(&call.name) {
            return match crate::functions::is_known(&call.name) {
                true => invalid(at, format_args!("{} is neither a window function nor an aggregation", call.name)),
                false => Err(crate::analysis::function_names::unknown(&call.name)),
            };
        }
        if call.filter.is_some() {
            return invalid(at, "FILTER is not yet supported for window functions");
        }
        if call.distinct {
            return unsupported("window function with DISTINCT", "compute the distinct rows in a subquery first");
        }
        if matches!(call.name.as_str(), "max_by" | "min_by" | "listagg") || !call.order_by.is_empty() {
            return unsupported(format!("{} as a window function", call.name), "group in a subquery and join it");
        }
        let mut refused = None;
        let value = self.aggregation(at, call, "a window function", &mut |aggregation: Aggregation, ty| {
            if aggregation.distinct || !aggregation.order_by.is_empty() {
                refused = Some(call.name.clone());
            }
            let function = WindowFunctionDefinition::AggregateUDF(aggregation.function);
            add(function, aggregation.arguments, aggregation.filter, ty)
        })?;
        match refused {
            Some(name) => unsupported(format!("{name} as a window function"), "group in a subquery and join it"),
            None => Ok(value),
        }
    }

    fn specification(&self, at: At, window: &Window, depth: usize) -> Result<Specification, QueryError> {
        let mut merged = window.clone();
        if let Some(base) = &window.base {
            let Some((_, known)) = self.windows.iter().find(|(name, _)| name.is(&base.text)) else {
                return invalid(at, format_args!("Cannot resolve WINDOW name {}", base.text));
            };
            if depth > 50 {
                return invalid(at, "windows refer to each other in a circle");
            }
            let mut known = known.clone();
            while let Some(further) = known.base.clone() {
                let Some((_, next)) = self.windows.iter().find(|(name, _)| name.is(&further.text)) else {
                    return invalid(at, format_args!("Cannot resolve WINDOW name {}", further.text));
                };
                known = Window {
                    base: next.base.clone(),
                    partition_by: next.partition_by.clone(),
                    order_by: if known.order_by.is_empty() { next.order_by.clone() } else { known.order_by },
                    frame: known.frame.or_else(|| next.frame.clone()),
                };
            }
            if !merged.partition_by.is_empty() {
                return invalid(at, "WINDOW specification with name reference cannot specify PARTITION BY");
            }
            merged.partition_by = known.partition_by;
            if merged.order_by.is_empty() {
                merged.order_by = known.order_by;
            }
            merged.frame = merged.frame.or(known.frame);
        }
        let partition_by = merged
            .partition_by
            .iter()
            .map(|expression| Ok(self.value(expression)?.expr))
            .collect::<Result<Vec<_>, QueryError>>()?;
        let keys =
            merged.order_by.iter().map(|item| self.value(&item.expression)).collect::<Result<Vec<_>, QueryError>>()?;
        let key_types: Vec<Type> = keys.iter().map(|key| key.ty.clone()).collect();
        let order_by = merged
            .order_by
            .iter()
            .zip(keys)
            .map(|(item, key)| crate::analysis::sorting::sort(item, key))
            .collect::<Result<Vec<_>, _>>()?;
        let frame = self.frame(at, &merged, &merged.order_by, &key_types)?;
        Ok(Specification { partition_by, order_by, frame })
    }

    fn frame(&self, at: At, window: &Window, order_by: &[SortItem], keys: &[Type]) -> Result<WindowFrame, QueryError> {
        let unbounded = ScalarValue::UInt64(None);
        let Some(frame) = &window.frame else {
            let unbounded = ScalarValue::Null;
            let end = match order_by {
                [] => WindowFrameBound::Following(unbounded.clone()),
                _ => WindowFrameBound::CurrentRow,
            };
            let units = if order_by.is_empty() { WindowFrameUnits::Rows } else { WindowFrameUnits::Range };
            let start = match units {
                WindowFrameUnits::Rows => WindowFrameBound::Preceding(ScalarValue::UInt64(None)),
                _ => WindowFrameBound::Preceding(unbounded),
            };
            let end = match (units, end) {
                (WindowFrameUnits::Rows, WindowFrameBound::Following(_)) => {
                    WindowFrameBound::Following(ScalarValue::UInt64(None))
                }
                (_, end) => end,
            };
            return Ok(WindowFrame::new_bounds(units, start, end));
        };
        let units = match frame.units {
            FrameUnits::Rows => WindowFrameUnits::Rows,
            FrameUnits::Range => WindowFrameUnits::Range,
            FrameUnits::Groups => WindowFrameUnits::Groups,
        };
        let none = if units == WindowFrameUnits::Range { ScalarValue::Null } else { unbounded };
        let bound = |bound: &Bound| -> Result<WindowFrameBound, QueryError> {
            let offset = |expression| match units {
                WindowFrameUnits::Range => self.range_offset(at, expression, keys),
                _ => self.row_offset(at, expression),
            };
            Ok(match bound {
                Bound::UnboundedPreceding => WindowFrameBound::Preceding(none.clone()),
                Bound::UnboundedFollowing => WindowFrameBound::Following(none.clone()),
                Bound::CurrentRow => WindowFrameBound::CurrentRow,
                Bound::Preceding(expression) => WindowFrameBound::Preceding(offset(expression)?),
                Bound::Following(expression) => WindowFrameBound::Following(offset(expression)?),
            })
        };
        if order_by.is_empty() && units != WindowFrameUnits::Rows {
            let is_whole = matches!(
                (&frame.start, &frame.end),
                (Bound::UnboundedPreceding, Some(Bound::UnboundedFollowing) | None)
                    | (Bound::CurrentRow, Some(Bound::CurrentRow | Bound::UnboundedFollowing) | None)
            );
            if !is_whole || units == WindowFrameUnits::Groups {
                return invalid(at, "the window's frame needs ORDER BY");
            }
            // All rows are peers.
            let (start, end) = (
                WindowFrameBound::Preceding(ScalarValue::UInt64(None)),
                WindowFrameBound::Following(ScalarValue::UInt64(None)),
            );
            return Ok(WindowFrame::new_bounds(WindowFrameUnits::Rows, start, end));
        }
        let start = bound(&frame.start)?;
        let end = match &frame.end {
            Some(end) => bound(end)?,
            None => WindowFrameBound::CurrentRow,
        };
        let order = |bound: &WindowFrameBound| match bound {
            WindowFrameBound::Preceding(_) => 0,
            WindowFrameBound::CurrentRow => 1,
            WindowFrameBound::Following(_) => 2,
        };
        if matches!(frame.start, Bound::UnboundedFollowing)
            || matches!(frame.end, Some(Bound::UnboundedPreceding))
            || order(&start) > order(&end)
        {
            return invalid(at, "the window's frame ends before it starts");
        }
        Ok(WindowFrame::new_bounds(units, start, end))
    }

    fn row_offset(&self, at: At, expression: &crate::syntax::ast::Expression) -> Result<ScalarValue, QueryError> {
        let value = self.value(expression)?;
        match value.as_literal() {
            Some(ScalarValue::Int32(Some(number))) if *number >= 0 => {
                Ok(ScalarValue::UInt64(Some(number.unsigned_abs().into())))
            }
            Some(ScalarValue::Int64(Some(number))) if *number >= 0 => {
                Ok(ScalarValue::UInt64(Some(number.unsigned_abs())))
            }
            Some(_) => invalid(at, "Window frame offset value must not be negative or null"),
            None => unsupported("window frame whose offset is computed", "write the offset as a number"),
        }
    }

    fn range_offset(
        &self,
        at: At,
        expression: &crate::syntax::ast::Expression,
        keys: &[Type],
    ) -> Result<ScalarValue, QueryError> {
        let [key] = keys else {
            return invalid(at, "a RANGE frame with an offset needs one sort key");
        };
        let value = self.value(expression)?;
        let Some(literal) = value.as_literal().cloned() else {
            return unsupported("window frame whose offset is computed", "write the offset as a number");
        };
        let negative = "Window frame offset value must not be negative or null";
        match (key, &value.ty, &literal) {
            (key, Type::Integer | Type::Bigint, ScalarValue::Int32(Some(_)) | ScalarValue::Int64(Some(_)))
                if key.is_integer() =>
            {
                let number = match literal {
                    ScalarValue::Int32(Some(number)) => i64::from(number),
                    ScalarValue::Int64(Some(number)) => number,
                    _ => -1,
                };
                if number < 0 {
                    return invalid(at, negative);
                }
                let narrow = match key {
                    Type::Tinyint => i8::try_from(number).ok().map(|number| ScalarValue::Int8(Some(number))),
                    Type::Smallint => i16::try_from(number).ok().map(|number| ScalarValue::Int16(Some(number))),
                    Type::Integer => i32::try_from(number).ok().map(|number| ScalarValue::Int32(Some(number))),
                    _ => Some(ScalarValue::Int64(Some(number))),
                };
                narrow.map_or_else(|| invalid(at, format_args!("the offset does not fit into {key}")), Ok)
            }
            (Type::Double, ty, _) if ty.is_number() => match coerce(value.clone(), &Type::Double)?.as_literal() {
                Some(ScalarValue::Float64(Some(number))) if *number >= 0.0 => Ok(ScalarValue::Float64(Some(*number))),
                _ => invalid(at, negative),
            },
            (
                Type::Timestamp(_) | Type::TimestampTz(..) | Type::Date,
                Type::DayInterval,
                ScalarValue::Int64(Some(millis)),
            ) => {
                if *millis < 0 {
                    return invalid(at, negative);
                }
                Ok(ScalarValue::new_interval_mdn(0, 0, millis.saturating_mul(1_000_000)))
            }
            (
                Type::Timestamp(_) | Type::TimestampTz(..) | Type::Date,
                Type::MonthInterval,
                ScalarValue::Int32(Some(months)),
            ) => {
                if *months < 0 {
                    return invalid(at, negative);
                }
                Ok(ScalarValue::new_interval_mdn(*months, 0, 0))
            }
            (key, offset, _) => invalid(
                at,
                format_args!("Window frame RANGE value type ({offset}) not compatible with sort item type ({key})"),
            ),
        }
    }

    fn window_function(
        &self,
        at: At,
        call: &Call,
        specification: &Specification,
        add: &mut dyn FnMut(Arc<WindowUDF>, Vec<Expr>, Type) -> Typed,
    ) -> Result<Typed, QueryError> {
        let arguments = call.arguments.iter().map(|argument| self.value(argument)).collect::<Result<Vec<_>, _>>()?;
        let name = call.name.as_str();
        let ranking = matches!(
            name,
            "row_number" | "rank" | "dense_rank" | "percent_rank" | "cume_dist" | "ntile" | "lag" | "lead"
        );
        if ranking && name != "row_number" && specification.order_by.is_empty() {
            return invalid(at, format_args!("{name} window function requires ORDER BY"));
        }
        // DataFusion counts without sign.
        let counted = |value: Typed| {
            let cast = datafusion::logical_expr::Cast::new(Box::new(value.expr), Type::Bigint.arrow());
            Typed::new(Expr::Cast(cast), Type::Bigint)
        };
        let constant = |value: &Typed| match value.as_literal() {
            Some(ScalarValue::Int32(Some(number))) => Ok(i64::from(*number)),
            Some(ScalarValue::Int64(Some(number))) => Ok(*number),
            _ => unsupported(format!("{name} with a computed offset"), "write the offset as a number"),
        };
        let int = |number: i64| Expr::Literal(ScalarValue::Int64(Some(number)), None);
        Ok(match (name, &arguments[..]) {
            ("row_number", []) => counted(add(df::row_number::row_number_udwf(), vec![], Type::Bigint)),
            ("rank", []) => counted(add(df::rank::rank_udwf(), vec![], Type::Bigint)),
            ("dense_rank", []) => counted(add(df::rank::dense_rank_udwf(), vec![], Type::Bigint)),
            ("percent_rank", []) => add(df::rank::percent_rank_udwf(), vec![], Type::Double),
            ("cume_dist", []) => add(df::cume_dist::cume_dist_udwf(), vec![], Type::Double),
            ("ntile", [buckets]) => {
                let buckets = constant(buckets)?;
                if buckets < 1 {
                    return invalid(at, "Buckets must be greater than 0");
                }
                counted(add(df::ntile::ntile_udwf(), vec![int(buckets)], Type::Bigint))
            }
            ("lag" | "lead", [value]) | ("lag" | "lead", [value, _]) | ("lag" | "lead", [value, _, _]) => {
                let offset = arguments.get(1).map(constant).transpose()?.unwrap_or(1);
                if offset < 0 {
                    return invalid(at, "Offset must be at least 0");
                }
                let function = if name == "lag" { df::lead_lag::lag_udwf() } else { df::lead_lag::lead_udwf() };
                let mut given = vec![value.expr.clone(), int(offset)];
                if let Some(default) = arguments.get(2) {
                    let default = coerce(default.clone(), &value.ty)?;
                    if default.as_literal().is_none() {
                        return unsupported(format!("{name} with a computed default"), "use coalesce");
                    }
                    given.push(default.expr);
                }
                add(function, given, value.ty.clone())
            }
            ("first_value", [value]) => {
                add(df::nth_value::first_value_udwf(), vec![value.expr.clone()], value.ty.clone())
            }
            ("last_value", [value]) => {
                add(df::nth_value::last_value_udwf(), vec![value.expr.clone()], value.ty.clone())
            }
            ("nth_value", [value, offset]) => {
                let offset = constant(offset)?;
                if offset < 1 {
                    return invalid(at, "Offset must be at least 1");
                }
                add(df::nth_value::nth_value_udwf(), vec![value.expr.clone(), int(offset)], value.ty.clone())
            }
            _ => return invalid(at, format_args!("Unexpected parameters for function {name}")),
        })
    }
}
