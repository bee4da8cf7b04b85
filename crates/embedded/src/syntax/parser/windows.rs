//! Windows of window functions: partitions, order and frames.

use super::cursor::{Parsed, Parser};
use crate::error::unsupported;
use crate::syntax::ast::*;

impl Parser {
    pub(super) fn window(&mut self) -> Parsed<Window> {
        self.in_parentheses(|parser| {
            let mut window = Window::default();
            let starts_clause = (parser.is_word("PARTITION") && parser.word_at(1, "BY"))
                || parser.is_word("ORDER")
                || ["ROWS", "RANGE", "GROUPS"].iter().any(|units| parser.is_word(units) && !parser.symbol_at(1, ")"));
            if !starts_clause && !parser.is_symbol(")") {
                window.base = Some(parser.name()?);
            }
            if parser.accept_all(&["PARTITION", "BY"]) {
                window.partition_by = parser.list(Self::expression)?;
            }
            if parser.accept_all(&["ORDER", "BY"]) {
                window.order_by = parser.list(Self::sort_item)?;
            }
            let units = if parser.accept("ROWS") {
                Some(FrameUnits::Rows)
            } else if parser.accept("RANGE") {
                Some(FrameUnits::Range)
            } else if parser.accept("GROUPS") {
                Some(FrameUnits::Groups)
            } else {
                None
            };
            if let Some(units) = units {
                let between = parser.accept("BETWEEN");
                let start = parser.bound()?;
                let end = if between {
                    parser.expect("AND")?;
                    Some(parser.bound()?)
                } else {
                    None
                };
                window.frame = Some(Frame { units, start, end });
            }
            for word in ["MEASURES", "PATTERN", "AFTER", "INITIAL", "SEEK", "SUBSET", "DEFINE"] {
                if parser.is_word(word) {
                    return unsupported("row pattern recognition in a window", "use lag, lead and sums over frames");
                }
            }
            Ok(window)
        })
    }

    fn bound(&mut self) -> Parsed<Bound> {
        if self.accept("UNBOUNDED") {
            if self.accept("PRECEDING") {
                return Ok(Bound::UnboundedPreceding);
            }
            self.expect("FOLLOWING")?;
            return Ok(Bound::UnboundedFollowing);
        }
        if self.accept_all(&["CURRENT", "ROW"]) {
            return Ok(Bound::CurrentRow);
        }
        let expression = self.expression()?;
        if self.accept("PRECEDING") {
            return Ok(Bound::Preceding(expression));
        }
        self.expect("FOLLOWING")?;
        Ok(Bound::Following(expression))
    }
}
