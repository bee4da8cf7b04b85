//! The versions of the specification, which the lexer, the parser and bundles tell apart.

/// The version of the STIX specification that a pattern is written for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Version {
    /// 2.0: without `EXISTS`; the bounds of `START … STOP …` may be plain texts; qualifiers may be repeated.
    V20,
    /// 2.1.
    #[default]
    V21,
}
