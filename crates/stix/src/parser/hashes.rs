//! Hash algorithms of the specification, and the form that a hash of each has.

use super::cursor::Parser;
use crate::diagnostic::{Code, found_at, quote};
use crate::pattern::{ObjectPath, Operator, Step, Value};

impl<'t> Parser<'t> {
    /// The validator's check of values under a property `hashes`, for the operators that compare with a whole hash.
    pub(super) fn check_hash(&mut self, path: &ObjectPath, operator: &Operator) {
        let hashes = Step::Property("hashes".to_owned());
        let Some((Step::Property(name), true)) = path.steps.last().map(|last| (last, path.steps.contains(&hashes)))
        else {
            return;
        };
        let literals = match operator {
            Operator::Equal(literal)
            | Operator::NotEqual(literal)
            | Operator::Less(literal)
            | Operator::LessOrEqual(literal)
            | Operator::Greater(literal)
            | Operator::GreaterOrEqual(literal) => std::slice::from_ref(literal),
            Operator::In(literals) => literals,
            _ => return,
        };
        let Some(algorithm) = ALGORITHMS.iter().find(|algorithm| algorithm.is_named(name)) else { return };
        for literal in literals {
            let text = match &literal.value {
                Value::Text(text) => text.replace('\'', ""),
                _ => self.slice(&literal.span).replace('\'', ""),
            };
            if !algorithm.takes(&text) {
                let message = format!("{} is not a {} hash", quote(&text), algorithm.label);
                let fault = found_at(Code::BadHash, literal.span.clone(), message)
                    .label(format!("{} characters", text.chars().count()))
                    .also(path.span.clone().into(), format!("takes {}", algorithm.form()));
                self.found.push(fault);
            }
        }
    }
}

/// A hash algorithm of the specification with the form of its hashes.
struct Algorithm {
    /// Upper case, without hyphens.
    folded: &'static str,
    label: &'static str,
    lengths: &'static [usize],
}

const ALGORITHMS: &[Algorithm] = &[
    Algorithm { folded: "MD5", label: "MD5", lengths: &[32] },
    Algorithm { folded: "MD6", label: "MD6", lengths: &[32, 40, 56, 64, 96, 128] },
    Algorithm { folded: "RIPEMD160", label: "RIPEMD-160", lengths: &[40] },
    Algorithm { folded: "SHA1", label: "SHA-1", lengths: &[40] },
    Algorithm { folded: "SHA224", label: "SHA-224", lengths: &[56] },
    Algorithm { folded: "SHA256", label: "SHA-256", lengths: &[64] },
    Algorithm { folded: "SHA384", label: "SHA-384", lengths: &[96] },
    Algorithm { folded: "SHA512", label: "SHA-512", lengths: &[128] },
    Algorithm { folded: "SHA3224", label: "SHA3-224", lengths: &[56] },
    Algorithm { folded: "SHA3256", label: "SHA3-256", lengths: &[64] },
    Algorithm { folded: "SHA3384", label: "SHA3-384", lengths: &[96] },
    Algorithm { folded: "SHA3512", label: "SHA3-512", lengths: &[128] },
    Algorithm { folded: "SSDEEP", label: "SSDEEP", lengths: &[] },
    Algorithm { folded: "WHIRLPOOL", label: "WHIRLPOOL", lengths: &[128] },
];

/// Whether the value can be a hash of the algorithm; TLSH is 70 hex digits, with `T1` before them or not.
pub(crate) fn is_hash(algorithm: &str, value: &str) -> bool {
    if algorithm == "TLSH" {
        let digits = value.strip_prefix("T1").unwrap_or(value);
        return digits.len() == 70 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    }
    ALGORITHMS.iter().find(|known| known.is_named(algorithm)).is_some_and(|known| known.takes(value))
}

impl Algorithm {
    fn is_named(&self, name: &str) -> bool {
        name.to_uppercase().replace(['-', '\''], "") == self.folded
    }

    fn takes(&self, text: &str) -> bool {
        if self.lengths.is_empty() {
            let inside = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'+' | b':' | b'.');
            return (1..=128).contains(&text.len()) && text.bytes().all(inside);
        }
        self.lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    }

    fn form(&self) -> String {
        match self.lengths {
            [] => "1 to 128 of A-Z a-z 0-9 / + : .".to_owned(),
            [length] => format!("{length} hex digits"),
            lengths => format!("{} hex digits", lengths.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
        }
    }
}
