//! `LIKE` and `MATCHES`: both on text in Unicode's composed form (NFC), as the specification wants it.

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;

/// Text in composed form.
pub(crate) fn composed(text: &str) -> Cow<'_, str> {
    ComposingNormalizerBorrowed::new_nfc().normalize(text)
}

/// A `LIKE` pattern: `%` is any text, `_` any one character, everything else itself.
#[derive(Debug, Clone)]
pub(crate) struct Like {
    pattern: Vec<char>,
    /// Whether bytes may be compared with it: no character beyond U+00FF.
    takes_bytes: bool,
}

impl Like {
    pub(crate) fn new(pattern: &str) -> Like {
        let pattern: Vec<char> = composed(pattern).chars().collect();
        let takes_bytes = pattern.iter().all(|c| u32::from(*c) < 256);
        Like { pattern, takes_bytes }
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = composed(text).chars().collect();
        let (mut at, mut in_pattern) = (0, 0);
        // Where to go on if the text after the last `%` does not fit: that `%` takes one character more.
        let mut retry: Option<(usize, usize)> = None;
        while let Some(c) = text.get(at) {
            match self.pattern.get(in_pattern) {
                Some('%') => {
                    retry = Some((at, in_pattern + 1));
                    in_pattern += 1;
                    continue;
                }
                Some(wanted) if *wanted == '_' || wanted == c => {
                    at += 1;
                    in_pattern += 1;
                    continue;
                }
                _ => {}
            }
            let Some((start, after)) = retry else { return false };
            retry = Some((start + 1, after));
            (at, in_pattern) = (start + 1, after);
        }
        self.pattern.get(in_pattern..).is_some_and(|rest| rest.iter().all(|c| *c == '%'))
    }

    /// Bytes are compared as the UTF-8 that they are.
    pub(crate) fn matches_bytes(&self, bytes: &[u8]) -> bool {
        self.takes_bytes && std::str::from_utf8(bytes).is_ok_and(|text| self.matches(text))
    }
}

/// A `MATCHES` pattern, which is searched anywhere in the text.
#[derive(Debug, Clone)]
pub(crate) enum Search {
    /// In time linear to the text.
    Linear { regex: regex::Regex, takes_bytes: bool },
    /// With look-around or back-references; gives up after a number of steps.
    Backtracking { regex: Box<fancy_regex::Regex>, takes_bytes: bool },
}

impl Search {
    /// Compiles a regular expression.
    ///
    /// # Errors
    /// The error of `fancy_regex`, which accepts more of Perl's syntax than `regex`.
    pub(crate) fn new(pattern: &str) -> Result<Search, Box<fancy_regex::Error>> {
        let pattern = composed(pattern);
        let takes_bytes = pattern.chars().all(|c| u32::from(c) < 256);
        if let Ok(regex) = regex::Regex::new(&pattern) {
            return Ok(Search::Linear { regex, takes_bytes });
        }
        match fancy_regex::Regex::new(&pattern) {
            Ok(regex) => Ok(Search::Backtracking { regex: Box::new(regex), takes_bytes }),
            Err(fault) => Err(Box::new(fault)),
        }
    }

    /// `None` if the search gave up.
    pub(crate) fn matches(&self, text: &str) -> Option<bool> {
        self.finds(&composed(text))
    }

    /// Bytes are searched as characters of the same numbers, so that `\xd4` is the byte.
    pub(crate) fn matches_bytes(&self, bytes: &[u8]) -> Option<bool> {
        let (Search::Linear { takes_bytes, .. } | Search::Backtracking { takes_bytes, .. }) = self;
        if !takes_bytes {
            return Some(false);
        }
        self.finds(&bytes.iter().copied().map(char::from).collect::<String>())
    }

    fn finds(&self, text: &str) -> Option<bool> {
        match self {
            Search::Linear { regex, .. } => Some(regex.is_match(text)),
            Search::Backtracking { regex, .. } => regex.is_match(text).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_knows_two_signs_and_nothing_else() {
        let like = |pattern: &str, text: &str| Like::new(pattern).matches(text);
        assert!(like("a%c", "abbbc") && like("a%c", "ac") && !like("a%c", "acd"));
        assert!(like("%", "") && like("_", "é") && !like("_", "") && !like("", "x"));
        assert!(like("%a%b%", "xxaxxbxx") && !like("%a%b%", "xxbxxaxx"));
        assert!(like("100\\%(.*)", "100\\x(.*)") && like("a\n%", "a\n\nb") && like("_", "\n"));
        assert!(like("%%%_%", "x") && !like("ABC", "abc"));
        assert!(like("e\u{301}", "é"));
    }

    #[test]
    fn a_search_takes_perls_look_around_and_back_references() {
        let search = |pattern: &str, text: &str| Search::new(pattern).unwrap().matches(text).unwrap();
        assert!(search("l+", "hello") && search(r"(?i)POWERSHELL(?!\.config)", "powershell.exe"));
        assert!(search(r"(\w)\1", "hello") && !search(r"(\w)\1", "helo"));
        assert!(Search::new("a(").is_err());
        assert_eq!(Search::new(r"\xd4\xc3").unwrap().matches_bytes(&[0, 0xd4, 0xc3]), Some(true));
        assert_eq!(Search::new("ă").unwrap().matches_bytes("ă".as_bytes()), Some(false));
    }

    #[test]
    fn a_search_that_explodes_gives_up() {
        let search = Search::new(r"^(a|a)*?(?=b)\1$").unwrap();
        assert_eq!(search.matches(&"a".repeat(200)), None);
    }
}
