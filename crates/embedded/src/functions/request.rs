//! A call whose function is looked for.

use datafusion::common::Result as DataFusionResult;
use query::QueryError;

use super::cast::cast;
use super::native::{Cell, Out, Typed, call, strict};
use crate::syntax::ast::At;
use crate::types::Type;

/// A call whose arguments have been analysed.
pub(crate) struct Request<'a> {
    pub(crate) at: At,
    pub(crate) name: &'a str,
    pub(crate) arguments: Vec<Typed>,
}

/// Nothing, if the module has no such function.
pub(crate) type Resolved = Option<Result<Typed, QueryError>>;

impl Request<'_> {
    pub(crate) fn wrong(&self) -> QueryError {
        let types: Vec<String> = self.arguments.iter().map(|argument| argument.ty.to_string()).collect();
        QueryError::Invalid(format!(
            "{}: Unexpected parameters ({}) for function {}",
            self.at,
            types.join(", "),
            self.name
        ))
    }

    pub(crate) fn unsupported<T>(
        &self,
        construct: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Result<T, QueryError> {
        Err(QueryError::Unsupported { construct: construct.into(), remedy: remedy.into() })
    }

    /// The arguments as values of `types`, as many as there are arguments.
    pub(crate) fn coerced(&self, types: &[Type]) -> Result<Vec<Typed>, QueryError> {
        if self.arguments.len() > types.len() {
            return Err(self.wrong());
        }
        self.arguments
            .iter()
            .zip(types)
            .map(|(argument, ty)| match argument.ty.coerces_to(ty) {
                true => cast(argument.clone(), ty, None, false),
                false => Err(self.wrong()),
            })
            .collect()
    }

    /// A function of values that are not null; `types` has all its parameters, of which at least `least` are given.
    pub(crate) fn simple_from(
        &self,
        least: usize,
        types: &[Type],
        returns: Type,
        row: impl Fn(&[Cell<'_>]) -> DataFusionResult<Out> + Send + Sync + 'static,
    ) -> Resolved {
        if self.arguments.len() < least {
            return Some(Err(self.wrong()));
        }
        Some(
            self.coerced(types).map(|arguments| call(self.name, "", arguments, returns.clone(), strict(&returns, row))),
        )
    }

    /// A function of exactly these values.
    pub(crate) fn simple(
        &self,
        types: &[Type],
        returns: Type,
        row: impl Fn(&[Cell<'_>]) -> DataFusionResult<Out> + Send + Sync + 'static,
    ) -> Resolved {
        self.simple_from(types.len(), types, returns, row)
    }
}
