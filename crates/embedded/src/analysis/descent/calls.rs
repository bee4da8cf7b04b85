//! Calls of functions.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Case, Expr};
use query::QueryError;

use crate::analysis::descent::expressions::{Expressions, one_type};
use crate::error::{invalid, placed};
use crate::functions;
use crate::functions::cast::coerce;
use crate::functions::native::Typed;
use crate::functions::operators;
use crate::syntax::ast::{At, Call, Comparison, Expression, Kind, Name};
use crate::types::Type;

impl Expressions<'_> {
    pub(crate) fn call(&self, at: At, call: &Call) -> Result<Typed, QueryError> {
        if call.over.is_some() {
            return self.window(at, call);
        }
        if crate::analysis::function_names::is_aggregate(&call.name) {
            return self.aggregate(at, call);
        }
        if crate::analysis::function_names::is_window_function(&call.name) {
            return invalid(at, format_args!("Window function {} requires an OVER clause", call.name));
        }
        if call.star || call.distinct || !call.order_by.is_empty() || call.filter.is_some() {
            return match functions::is_known(&call.name) {
                true => invalid(at, format_args!("{} is not an aggregate function", call.name)),
                false => Err(crate::analysis::function_names::unknown(&call.name)),
            };
        }
        match (call.name.as_str(), &call.arguments[..]) {
            ("if", [condition, then]) => self.conditional(at, condition, then, None),
            ("if", [condition, then, otherwise]) => self.conditional(at, condition, then, Some(otherwise)),
            ("coalesce", [_, _, ..]) => {
                let (values, ty) = self.of_one_type(at, &call.arguments, "COALESCE")?;
                Ok(operators::coalesce(values, ty))
            }
            ("nullif", [first, second]) => {
                let (first, second) = (self.value(first)?, self.value(second)?);
                self.analyzer.count_copies(at, &first, 1)?;
                let same = operators::compare(at, Comparison::Equal, first.clone(), second)?;
                let null = coerce(Typed::literal(ScalarValue::Null, Type::Unknown), &first.ty)?;
                let branches = vec![(Box::new(same), Box::new(null.expr))];
                let case = Case::new(None, branches, Some(Box::new(first.expr)));
                Ok(Typed::new(Expr::Case(case), first.ty))
            }
            ("now", []) => Ok(crate::analysis::literals::instant(self.analyzer.now, 3)),
            ("try", [inner]) => {
                let inner = self.value(inner)?;
                functions::lambdas::attempt(inner).map_err(|error| placed(at, error))
            }
            (name, arguments) if functions::lambdas::takes_lambda(name) => self.higher_order(at, name, arguments),
            (name, _) if !functions::is_known(name) => Err(crate::analysis::function_names::unknown(name)),
            (name, arguments) => {
                let arguments = arguments.iter().map(|argument| self.value(argument)).collect::<Result<Vec<_>, _>>()?;
                functions::resolve(at, name, arguments).map_err(|error| placed(at, error))
            }
        }
    }

    fn conditional(
        &self,
        at: At,
        condition: &Expression,
        then: &Expression,
        otherwise: Option<&Expression>,
    ) -> Result<Typed, QueryError> {
        let condition = self.value_as(condition, &Type::Boolean, "IF condition")?;
        let mut values = vec![self.value(then)?];
        if let Some(otherwise) = otherwise {
            values.push(self.value(otherwise)?);
        }
        let (mut values, ty) = one_type(at, values, "IF")?;
        let otherwise = if values.len() == 2 { values.pop().map(|value| Box::new(value.expr)) } else { None };
        let branches = values.pop().map(|then| (Box::new(condition.expr), Box::new(then.expr))).into_iter().collect();
        Ok(Typed::new(Expr::Case(Case::new(None, branches, otherwise)), ty))
    }

    /// The body of a lambda over parameters of known types: an expression in which the parameters are columns.
    fn lambda(&self, at: At, argument: &Expression, types: &[Type]) -> Result<functions::lambdas::Lambda, QueryError> {
        let Kind::Lambda(names, body) = &argument.kind else {
            return invalid(at, "a lambda is expected here, as x -> x > 1");
        };
        if names.len() != types.len() {
            return invalid(at, format_args!("the lambda has {} parameters, expected {}", names.len(), types.len()));
        }
        let mut parameters: Vec<(Name, Typed)> = Vec::new();
        let mut columns = Vec::new();
        for (name, ty) in names.iter().zip(types) {
            let (column, value) = self.placeholder(&name.text, ty.clone());
            columns.push((column, ty.clone()));
            parameters.push((name.clone(), value));
        }
        let body = self.with_lambda(parameters).value(body)?;
        Ok(functions::lambdas::Lambda { parameters: columns, body })
    }

    fn higher_order(&self, at: At, name: &str, arguments: &[Expression]) -> Result<Typed, QueryError> {
        let wrong_count = || invalid(at, format_args!("wrong number of arguments for function {name}"));
        let Some((first, rest)) = arguments.split_first() else { return wrong_count() };
        let first = self.value(first)?;
        let element = |value: &Typed| match &value.ty {
            Type::Array(element) => Ok((**element).clone()),
            Type::Unknown => Ok(Type::Unknown),
            other => invalid(at, format_args!("{name} takes an array, not {other}")),
        };
        let entry = |value: &Typed| match &value.ty {
            Type::Map(key, value) => Ok(((**key).clone(), (**value).clone())),
            other => invalid(at, format_args!("{name} takes a map, not {other}")),
        };
        let result = match (name, rest) {
            ("any_match" | "all_match" | "none_match" | "filter", [predicate]) => {
                let lambda = self.lambda(at, predicate, &[element(&first)?])?;
                let lambda = lambda.returning(at, &Type::Boolean)?;
                functions::lambdas::over_array(name, first, lambda)
            }
            ("transform", [function]) => {
                let lambda = self.lambda(at, function, &[element(&first)?])?;
                functions::lambdas::over_array(name, first, lambda)
            }
            ("array_sort", [comparator]) => {
                let element = element(&first)?;
                let lambda = self.lambda(at, comparator, &[element.clone(), element])?;
                let lambda = lambda.returning(at, &Type::Integer)?;
                functions::lambdas::sort(first, lambda)
            }
            ("reduce", [initial, input, output]) => {
                let element = element(&first)?;
                let mut initial = self.value(initial)?;
                // The state has the type that both the start and the step have.
                let mut step = self.lambda(at, input, &[initial.ty.clone(), element.clone()])?;
                if step.body.ty != initial.ty {
                    let Some(common) = initial.ty.common(&step.body.ty) else {
                        return invalid(
                            at,
                            format_args!("reduce starts with {} and goes on with {}", initial.ty, step.body.ty),
                        );
                    };
                    initial = coerce(initial, &common)?;
                    step = self.lambda(at, input, &[common.clone(), element])?.returning(at, &common)?;
                }
                let output = self.lambda(at, output, &[initial.ty.clone()])?;
                functions::lambdas::reduce(first, initial, step, output)
            }
            ("zip_with", [second, function]) => {
                let second = self.value(second)?;
                let lambda = self.lambda(at, function, &[element(&first)?, element(&second)?])?;
                functions::lambdas::zip_with(first, second, lambda)
            }
            ("map_filter" | "transform_keys" | "transform_values", [function]) => {
                let (key, value) = entry(&first)?;
                let mut lambda = self.lambda(at, function, &[key, value])?;
                if !name.starts_with("transform") {
                    lambda = lambda.returning(at, &Type::Boolean)?;
                }
                functions::lambdas::over_map(name, first, lambda)
            }
            ("array_sort", []) => functions::resolve(at, name, vec![first]),
            _ => return wrong_count(),
        };
        result.map_err(|error| placed(at, error))
    }
}
