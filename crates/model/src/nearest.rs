//! The name that was probably meant.

/// Of some names, the one nearest to what was written, if near enough to be meant.
///
/// Near is a Damerau-Levenshtein distance (case ignored) of at most a third of the length, and
/// at most 3; of equals the first wins.
pub fn name<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written: Vec<char> = written.chars().flat_map(char::to_lowercase).collect();
    let limit = (written.len() / 3).clamp(1, 3);
    known
        .into_iter()
        .filter_map(|name| {
            let candidate: Vec<char> = name.chars().flat_map(char::to_lowercase).collect();
            let distance = distance(&written, &candidate);
            (distance <= limit).then_some((distance, name))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Fewest insertions, deletions, replacements and swaps of neighbours that make `a` into `b`.
fn distance(a: &[char], b: &[char]) -> usize {
    if a.len().abs_diff(b.len()) > 3 {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        next.push(i + 1);
        for (j, &y) in b.iter().enumerate() {
            let cell = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX / 2);
            let mut best = (cell(&row, j) + usize::from(x != y))
                .min(cell(&row, j + 1) + 1)
                .min(cell(&next, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(&y) && b.get(j - 1) == Some(&x);
            if swapped {
                best = best.min(cell(&before, j - 1) + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn slips_of_the_finger_are_recognised() {
        let known = ["properties", "relationships", "telemetry", "name"];
        for (written, meant) in [
            ("propertys", Some("properties")),
            ("relationhsips", Some("relationships")),
            ("Telemetry", Some("telemetry")),
            ("nmae", Some("name")),
            ("color", None),
            ("", None),
        ] {
            assert_eq!(name(written, known), meant, "{written}");
        }
    }
}
