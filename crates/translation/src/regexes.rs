//! `MATCHES`: regular expressions that mean the same to every engine.
//!
//! A pattern's expression runs in Trino's Joni (Java's syntax), in the embedded engine's and the matcher's `regex`. What one
//! of them lacks or reads differently is refused, since a search that finds other rows elsewhere is worse than none.

use regex_syntax::ast::{self, Ast, ClassPerlKind, ClassSet, ClassSetItem};

pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) help: String,
}

fn fault(message: impl Into<String>, help: impl Into<String>) -> Fault {
    Fault { message: message.into(), help: help.into() }
}

/// The expression, if every engine has it.
pub(crate) fn check(pattern: &str) -> Result<String, Fault> {
    let tree = ast::parse::ParserBuilder::new().nest_limit(100).build().parse(pattern).map_err(|error| {
        let help = match error.kind() {
            ast::ErrorKind::UnsupportedLookAround => "rewrite it without looking around, as two comparisons with AND",
            ast::ErrorKind::UnsupportedBackreference => "rewrite it without referring back",
            _ => "correct it; in a pattern's text a backslash is written twice",
        };
        fault(format!("the regular expression cannot be used: {}", error.kind()), help)
    })?;
    ast::visit(&tree, Portable)?;
    regex::Regex::new(pattern)
        .map_err(|error| fault(format!("the regular expression cannot be used: {error}"), "make it smaller"))?;
    Ok(pattern.to_owned())
}

struct Portable;

impl ast::Visitor for Portable {
    type Output = ();
    type Err = Fault;

    fn finish(self) -> Result<(), Fault> {
        Ok(())
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), Fault> {
        match ast {
            Ast::Flags(set) => flags(&set.flags),
            Ast::Group(group) => match &group.kind {
                ast::GroupKind::CaptureName { starts_with_p: true, .. } => {
                    Err(fault("Trino has no groups of the form (?P<name>…)", "write (?<name>…) or a plain group"))
                }
                ast::GroupKind::NonCapturing(set) => flags(set),
                _ => Ok(()),
            },
            Ast::Assertion(assertion) => match assertion.kind {
                ast::AssertionKind::StartLine
                | ast::AssertionKind::EndLine
                | ast::AssertionKind::StartText
                | ast::AssertionKind::EndText
                | ast::AssertionKind::WordBoundary
                | ast::AssertionKind::NotWordBoundary => Ok(()),
                _ => Err(fault("Trino has no such boundary of words", r"write \b")),
            },
            Ast::Literal(literal) => match literal.kind {
                ast::LiteralKind::HexBrace(ast::HexLiteralKind::UnicodeShort | ast::HexLiteralKind::UnicodeLong)
                | ast::LiteralKind::HexFixed(ast::HexLiteralKind::UnicodeLong) => {
                    Err(fault("Trino has no such escape of a character", r"write \x{…} or the character itself"))
                }
                _ => Ok(()),
            },
            Ast::ClassUnicode(class) => unicode(class),
            _ => Ok(()),
        }
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), Fault> {
        match item {
            ClassSetItem::Ascii(_) => Err(fault(
                "Trino has no classes of the form [[:alpha:]]",
                r"write the characters, as [A-Za-z], or \p{L}",
            )),
            ClassSetItem::Unicode(class) => unicode(class),
            ClassSetItem::Perl(class) if class.negated && class.kind == ClassPerlKind::Word => Ok(()),
            _ => Ok(()),
        }
    }

    fn visit_class_set_binary_op_pre(&mut self, op: &ast::ClassSetBinaryOp) -> Result<(), Fault> {
        match op.kind {
            ast::ClassSetBinaryOpKind::Intersection => match (&*op.lhs, &*op.rhs) {
                (ClassSet::Item(_), ClassSet::Item(_)) => Ok(()),
                _ => Err(fault(
                    "intersections of more than two classes are not the same everywhere",
                    "write the class out",
                )),
            },
            _ => Err(fault("Trino has no difference of classes", "write the class out")),
        }
    }
}

fn flags(flags: &ast::Flags) -> Result<(), Fault> {
    for item in &flags.items {
        if let ast::FlagsItemKind::Flag(flag) = item.kind
            && !matches!(flag, ast::Flag::CaseInsensitive | ast::Flag::DotMatchesNewLine | ast::Flag::MultiLine)
        {
            return Err(fault("only the flags i, m and s mean the same everywhere", "leave the flag out"));
        }
    }
    Ok(())
}

/// General categories are spelled alike by all; scripts and properties are not.
fn unicode(class: &ast::ClassUnicode) -> Result<(), Fault> {
    const CATEGORIES: [&str; 37] = [
        "L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Mc", "Me", "N", "Nd", "Nl", "No", "P", "Pc", "Pd", "Ps", "Pe",
        "Pi", "Pf", "Po", "S", "Sm", "Sc", "Sk", "So", "Z", "Zs", "Zl", "Zp", "C", "Cc", "Cf", "Co", "Cn", "Cs",
    ];
    let known = match &class.kind {
        ast::ClassUnicodeKind::OneLetter(letter) => CATEGORIES.contains(&letter.to_string().as_str()),
        ast::ClassUnicodeKind::Named(name) => CATEGORIES.contains(&name.as_str()),
        ast::ClassUnicodeKind::NamedValue { .. } => false,
    };
    if known {
        Ok(())
    } else {
        Err(fault("that class of characters is not spelled alike everywhere", r"use a general category, as \p{Lu}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_engine_has_is_taken() {
        for pattern in [
            r"^\\\\[a-z]+\.exe$",
            r"(?i)power\s*shell",
            "(?:a|b){2,3}?",
            r"\p{Lu}[^\d\w]",
            r"(?<name>x)\x41\x{1F980}",
            "a.*b",
            "",
            r"\bssh\b",
            "[a-z&&[^aeiou]]",
        ] {
            assert!(
                check(pattern).is_ok(),
                "{pattern}: {}",
                check(pattern).err().map(|f| f.message).unwrap_or_default()
            );
        }
    }

    #[test]
    fn what_one_engine_lacks_is_refused() {
        for pattern in [
            "(?=a)",
            "(?<!a)b",
            r"(a)\1",
            "(?P<n>a)",
            "(?U)a+",
            "(?x)a b",
            "[[:alpha:]]",
            r"\p{Greek}",
            "[a--b]",
            r"\<a",
            "a(",
            "*",
            r"\u{41}",
            r"\Qa\E",
            "(?>a)",
        ] {
            assert!(check(pattern).is_err(), "{pattern}");
        }
    }
}
