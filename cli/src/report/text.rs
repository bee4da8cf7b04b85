//! Texts of logs for a page: characters that cannot be seen, or that change how others are read, appear escaped.
//!
//! The template escapes what HTML reads as markup; this is for what HTML leaves alone.

use std::fmt::{self, Write as _};

/// The longest text that is shown whole, in characters.
const LONGEST: usize = 2_000;

/// A text of unknown origin.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Text(pub(crate) String);

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, c) in self.0.chars().enumerate() {
            if index == LONGEST {
                return write!(f, "… ({} characters)", self.0.chars().count());
            }
            if is_hidden(c) { write!(f, "{}", c.escape_default())? } else { f.write_char(c)? }
        }
        Ok(())
    }
}

/// Control characters, marks that turn the direction of writing, characters without width, and code points that no text
/// may have.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
            | '\u{fdd0}'..='\u{fdef}')
        || u32::from(c) & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_escaped() {
        let shown = |text: &str| Text(text.to_owned()).to_string();
        assert_eq!(shown("plain äöü 漢 <b> 'x'"), "plain äöü 漢 <b> 'x'");
        assert_eq!(shown("a\u{202e}gpj.exe\u{0}\r\n\u{1b}["), "a\\u{202e}gpj.exe\\u{0}\\r\\n\\u{1b}[");
        assert_eq!(
            shown("\u{feff}\u{200b}\u{ffff}\u{1fffe}\u{e0041}"),
            "\\u{feff}\\u{200b}\\u{ffff}\\u{1fffe}\\u{e0041}"
        );
    }

    #[test]
    fn a_very_long_text_says_its_length() {
        let shown = Text("x".repeat(100_000)).to_string();
        assert!(shown.ends_with("x… (100000 characters)") && shown.len() < 2_100, "{}", shown.len());
        assert_eq!(Text("x".repeat(2_000)).to_string().len(), 2_000);
    }
}
