//! How much of a prompt is read: its beginning, which says what is wanted, and its end, which often says it again.
//!
//! A decision must not take longer because somebody pasted a book, so what lies between is not looked at.

/// Bytes read at the beginning, and again at the end.
pub const HALF_BYTES: usize = 2_048;
/// Bytes read at all.
pub const MAX_BYTES: usize = 2 * HALF_BYTES;

/// The parts that are read: all of a short text and nothing, or the beginning and the end of a long one.
#[must_use]
#[inline]
pub fn window(text: &str) -> (&str, &str) {
    if text.len() <= MAX_BYTES {
        return (text, "");
    }
    let boundary = |from: usize, step: fn(usize) -> usize| {
        let mut at = from;
        while !text.is_char_boundary(at) {
            at = step(at);
        }
        at
    };
    let head = boundary(HALF_BYTES, |at| at - 1);
    let tail = boundary(text.len() - HALF_BYTES, |at| at + 1);
    (text.get(..head).unwrap_or_default(), text.get(tail..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_texts_are_read_whole_and_long_ones_at_both_ends() {
        assert_eq!(window("short"), ("short", ""));
        let long = "é".repeat(MAX_BYTES);
        let (head, tail) = window(&long);
        assert_eq!((head.len(), tail.len()), (HALF_BYTES, HALF_BYTES));
        let odd = format!("x{long}y");
        let (head, tail) = window(&odd);
        assert_eq!((head.len(), tail.len()), (HALF_BYTES - 1, HALF_BYTES - 1));
    }
}
