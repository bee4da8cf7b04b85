//! SPDX licence expressions: `(MIT OR Apache-2.0) AND Unicode-3.0`.

/// What a package asks for: all of several, any of several, or one licence.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Expression {
    /// A licence, with its exception if it has one, as `Apache-2.0 WITH LLVM-exception`
    Id(String),
    All(Vec<Expression>),
    Any(Vec<Expression>),
}

impl Expression {
    /// Reads an expression; `/` is the old way to write OR.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
        let words: Vec<&str> = text.split_whitespace().collect();
        let (expression, rest) = any(&words)?;
        rest.is_empty().then_some(expression)
    }

    pub(crate) fn is_allowed(&self, allowed: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Self::Id(id) => allowed(id),
            Self::All(parts) => parts.iter().all(|part| part.is_allowed(allowed)),
            Self::Any(parts) => parts.iter().any(|part| part.is_allowed(allowed)),
        }
    }

    /// All licences that it names.
    pub(crate) fn ids(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Self::Id(id) => Box::new(std::iter::once(id.as_str())),
            Self::All(parts) | Self::Any(parts) => Box::new(parts.iter().flat_map(Self::ids)),
        }
    }
}

type Rest<'w, 't> = &'w [&'t str];

/// OR binds least.
fn any<'w, 't>(words: Rest<'w, 't>) -> Option<(Expression, Rest<'w, 't>)> {
    let (first, mut rest) = all(words)?;
    let mut parts = vec![first];
    while let ["OR", more @ ..] = rest {
        let (part, after) = all(more)?;
        parts.push(part);
        rest = after;
    }
    Some((if parts.len() == 1 { parts.remove(0) } else { Expression::Any(parts) }, rest))
}

fn all<'w, 't>(words: Rest<'w, 't>) -> Option<(Expression, Rest<'w, 't>)> {
    let (first, mut rest) = term(words)?;
    let mut parts = vec![first];
    while let ["AND", more @ ..] = rest {
        let (part, after) = term(more)?;
        parts.push(part);
        rest = after;
    }
    Some((if parts.len() == 1 { parts.remove(0) } else { Expression::All(parts) }, rest))
}

fn term<'w, 't>(words: Rest<'w, 't>) -> Option<(Expression, Rest<'w, 't>)> {
    match words {
        ["(", inner @ ..] => match any(inner)? {
            (expression, [")", rest @ ..]) => Some((expression, rest)),
            _ => None,
        },
        ["AND" | "OR" | "WITH" | ")", ..] | [] => None,
        [id, "WITH", exception, rest @ ..] => Some((Expression::Id(format!("{id} WITH {exception}")), rest)),
        [id, rest @ ..] => Some((Expression::Id((*id).to_owned()), rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_allowed_as_they_are_meant() {
        for (text, allowed) in [
            ("MIT", true),
            ("GPL-3.0", false),
            ("GPL-3.0 OR MIT", true),
            ("GPL-3.0/MIT", true),
            ("GPL-3.0 AND MIT", false),
            ("GPL-3.0 OR MIT AND ISC", true),
            ("(GPL-3.0 OR MIT) AND ISC", true),
            ("(MIT OR ISC) AND GPL-3.0", false),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("Apache-2.0 WITH other", false),
        ] {
            let expression = Expression::parse(text).unwrap();
            let is_allowed = |id: &str| ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].contains(&id);
            assert_eq!(expression.is_allowed(&is_allowed), allowed, "{text}");
        }
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for text in ["", "MIT ISC", "(MIT", "MIT)", "MIT OR", "AND MIT", "MIT WITH", "OR"] {
            assert_eq!(Expression::parse(text), None, "{text}");
        }
    }
}
