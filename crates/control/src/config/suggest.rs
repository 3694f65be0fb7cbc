//! Guesses which word was meant.
//!
//! A guess is only made where it is likely right: one slip for every three letters, or a word that
//! was cut short. Otherwise all the words that are known are listed.

/// The end of a message about an unknown word: the nearest of the known ones, or all of them.
pub(crate) fn hint<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(word, &known) {
        Some(near) => format!(" (did you mean {near:?}?)"),
        None if known.is_empty() => String::new(),
        None => format!("; expected one of: {}", known.join(", ")),
    }
}

/// The known word that is one slip per three letters away, or begins as this one does.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let folded = word.to_lowercase().replace('-', "_");
    let allowed = (folded.chars().count() / 3).max(1);
    let near = known
        .iter()
        .map(|other| (distance(&folded, &other.to_lowercase().replace('-', "_")), *other))
        .filter(|(slips, _)| *slips <= allowed)
        .min_by_key(|(slips, _)| *slips);
    let abbreviates = |other: &&&str| {
        folded.len() >= 3 && (other.starts_with(&folded) || folded.starts_with(**other))
    };
    near.map(|(_, other)| other).or_else(|| known.iter().find(abbreviates).copied())
}

/// Slips of the keyboard between two words: a letter more, less, other, or two swapped.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let width = b.len() + 1;
    let mut table = vec![0; (a.len() + 1) * width];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            table[i * width + j] = if i == 0 || j == 0 {
                i + j
            } else {
                let other = usize::from(a[i - 1] != b[j - 1]);
                let mut least = table[(i - 1) * width + j - 1] + other;
                least = least.min(table[(i - 1) * width + j] + 1);
                least = least.min(table[i * width + j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    least = least.min(table[(i - 2) * width + j - 2] + 1);
                }
                least
            };
        }
    }
    table[a.len() * width + b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_counted_as_a_typist_makes_them() {
        for (a, b, slips) in
            [("", "abc", 3), ("adress", "address", 1), ("lsiten", "listen", 1), ("cat", "cut", 1)]
        {
            assert_eq!((distance(a, b), distance(b, a)), (slips, slips), "{a} {b}");
        }
    }

    #[test]
    fn the_nearest_word_is_offered_or_all_of_them() {
        let known = ["address", "tls", "idle_timeout", "certificate"];
        assert_eq!(hint("adress", known), " (did you mean \"address\"?)");
        assert_eq!(hint("idle-timeout", known), " (did you mean \"idle_timeout\"?)");
        assert_eq!(hint("cert", known), " (did you mean \"certificate\"?)");
        assert_eq!(
            hint("qqq", known),
            "; expected one of: address, tls, idle_timeout, certificate"
        );
        assert_eq!(hint("qqq", []), "");
    }
}
