//! How deep a JSON text is, before anything is made of it.
//!
//! The parser recurses with the depth of the text. It has a limit of its own, but a fixed one.

/// What the parser itself takes.
const DEPTH_MAX: usize = 127;

/// Whether arrays and objects lie deeper in each other than `depth_max`.
pub(crate) fn is_deeper(text: &[u8], depth_max: usize) -> bool {
    let depth_max = depth_max.min(DEPTH_MAX);
    let mut depth = 0_usize;
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => skip_string(&mut bytes),
            b'{' | b'[' => {
                depth += 1;
                if depth > depth_max {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// Goes behind the closing quote.
fn skip_string(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_in_strings_are_text() {
        for (text, depth) in [
            ("1", 0),
            ("{}", 1),
            ("[{},{},[]]", 2),
            (r#"{"a[[[":"{{{\"[[["}"#, 1),
            (r#"{"a":"\\"},[[["#, 3),
            ("]]]]{", 1),
        ] {
            assert!(!is_deeper(text.as_bytes(), depth), "{text}");
            assert!(depth == 0 || is_deeper(text.as_bytes(), depth - 1), "{text}");
        }
    }

    #[test]
    fn the_parser_s_own_depth_is_the_last() {
        assert!(!is_deeper("[".repeat(127).as_bytes(), usize::MAX));
        assert!(is_deeper("[".repeat(128).as_bytes(), usize::MAX));
    }
}
