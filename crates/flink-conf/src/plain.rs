//! Text of others as it may be printed.

/// Whether a character ends a line, steers a terminal, or shows what follows in another order than it is stored in: control
/// characters, Unicode's separators of lines and paragraphs, and its controls of direction (UAX #9).
pub fn is_steering(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text on one line, with a mark in the place of each character that steers. It is never longer than it was.
pub fn plain(text: String) -> String {
    // Most texts are printable ASCII. Without an early end the compiler looks at many bytes at a time.
    let is_printable_ascii = text.bytes().fold(true, |all, byte| all & matches!(byte, b' '..=b'~'));
    if !is_printable_ascii && text.chars().any(is_steering) {
        text.chars().map(|c| if is_steering(c) { '_' } else { c }).collect()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn nothing_steers_a_terminal_or_its_reader() {
        for (text, shown) in [
            ("a\nlevel=ERROR forged\r\u{b}", "a_level=ERROR forged__"),
            ("\u{1b}[2J\u{7}\u{9b}31m", "_[2J__31m"),
            ("user\u{202e}gpj.exe\u{2066}\u{2069}\u{200f}\u{61c}", "user_gpj.exe____"),
            ("a\u{2028}b\u{2029}c\u{85}", "a_b_c_"),
            ("nothing to see: ünï ☃ 字", "nothing to see: ünï ☃ 字"),
        ] {
            assert_eq!(plain(text.to_owned()), shown);
        }
    }
}
