//! Characters that a reader does not see, or that turn what stands beside them.
//!
//! ```text
//! acme.example/bu\u{200b}ild      reads as acme.example/build, and is another issuer
//! 4.2.1\u{202e}                  what follows on the page is read from right to left
//! ```
//!
//! In scope: which characters those are, and escaping them. Out of scope: letters that look alike.
//!
//! Invariants:
//! - A device that only writes does not carry this: it is linked where there is an allocator, and
//!   the log, which every entry passes, has one.

use crate::StatementError as E;
use alloc::string::String;

/// Whether `c` is a C1 control, ends a line, steers the direction of text, or is invisible.
#[must_use]
pub const fn is_hidden(c: char) -> bool {
    matches!(
        c,
        '\u{80}'..='\u{9f}'            // C1 controls
            | '\u{ad}'                 // soft hyphen
            | '\u{61c}'                // Arabic letter mark
            | '\u{180b}'..='\u{180f}'   // Mongolian variation selectors and vowel separator
            | '\u{200b}'..='\u{200f}'   // zero width, directional marks
            | '\u{2028}'..='\u{202e}'   // line and paragraph separators, embeddings, overrides
            | '\u{2060}'..='\u{206f}'   // word joiner, invisible operators, isolates
            | '\u{fe00}'..='\u{fe0f}'   // variation selectors
            | '\u{feff}'               // zero width no-break space
            | '\u{e0000}'..='\u{e01ef}' // tags, further variation selectors
    )
}

/// `text` with each hidden character as Rust writes it, such as `\u{200b}`.
#[must_use]
pub fn escape_hidden(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}

/// Names, versions and references: people compare them with their eyes.
pub(crate) fn check_words(text: &str, bytes_max: usize) -> Result<(), E> {
    crate::field::check_text(text, bytes_max)?;
    check(text)
}

pub(crate) fn check(text: &str) -> Result<(), E> {
    if text.chars().any(is_hidden) { Err(E::HiddenCharacter) } else { Ok(()) }
}
