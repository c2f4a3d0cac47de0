//! Words that others wrote, made to fit where they are shown.

/// On one line: whatever is blank or a control character is a single space.
pub fn one_line(text: &str) -> String {
    let is_between = |c: char| c.is_whitespace() || c.is_control();
    text.split(is_between).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// At most so many characters; what was cut ends with `…`.
pub fn at_most_chars(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// At most so many bytes; what was cut ends with `…`.
pub fn at_most_bytes(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(most.saturating_sub('…'.len_utf8()))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_one() {
        assert_eq!(one_line(" a\r\n\tb\u{1b}[31m  ä\u{a0}c\n"), "a b [31m ä c");
        assert_eq!(one_line("\n"), "");
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        assert_eq!([at_most_chars("shört", 5), at_most_chars("shörte", 5)], ["shört", "shör…"]);
        assert_eq!([at_most_bytes("shört", 6), at_most_bytes("shörte", 6)], ["shört", "sh…"]);
        let long = "ä".repeat(600);
        assert!(at_most_bytes(&long, 1024).len() <= 1024 && at_most_bytes(&long, 1024).ends_with('…'));
        assert_eq!(at_most_chars(&long, 240).chars().count(), 240);
    }
}
