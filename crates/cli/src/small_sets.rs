//! What can be expected of a data set with few pictures.

use convscope_data::{Source, Split};
use convscope_report::number::thousands;

/// Fewer training images than this are few for a class.
const FEW: usize = 20;
/// With fewer test images than this, an accuracy says little.
const FEW_TESTS: usize = 100;
/// How many classes are named.
const NAMED: usize = 6;

/// The classes with few training images, smallest first.
pub(crate) fn classes(source: &dyn Source) -> Vec<String> {
    small(source).into_iter().map(|(_, class)| class.to_owned()).collect()
}

fn small(source: &dyn Source) -> Vec<(usize, &str)> {
    let mut counts = vec![0; source.classes().len()];
    (0..source.len(Split::Train)).for_each(|index| counts[source.label(Split::Train, index)] += 1);
    let mut small: Vec<(usize, &str)> = counts
        .into_iter()
        .zip(source.classes().iter().map(String::as_str))
        .filter(|(count, _)| *count < FEW)
        .collect();
    small.sort_unstable();
    small
}

/// What to expect, if classes are small or an accuracy would say little, in lines.
pub(crate) fn words(source: &dyn Source) -> Vec<String> {
    let small = small(source);
    let tests = source.len(Split::Test);
    let mut parts = Vec::new();
    if let Some((fewest, _)) = small.first() {
        let named: Vec<String> =
            small.iter().take(NAMED).map(|(count, class)| format!("{class} {count}")).collect();
        let more =
            if small.len() > NAMED { format!(" and {} more", small.len() - NAMED) } else { String::new() };
        let what = if *fewest < 10 {
            "expect mistakes in every class that looks like another, even from weights trained on other pictures; from random \
             weights, expect little more than chance"
        } else {
            "enough for weights trained on other pictures, too few for random ones"
        };
        parts.push(format!("few training pictures: {}{more}; {what}", named.join(", ")));
    }
    if (1..FEW_TESTS).contains(&tests) {
        // Two standard deviations of a share of one half.
        let range = (100.0 / (tests as f64).sqrt()).round();
        parts.push(format!(
            "{} test pictures: an accuracy is uncertain by up to {range} points either way; --folds 5 tests on every picture once",
            thousands(tests as u64)
        ));
    }
    parts
}

#[cfg(test)]
mod tests {
    use convscope_data::{SourceOptions, SplitCounts, open};

    use super::*;

    fn words_for(train: usize, test: usize) -> Vec<String> {
        let shapes = SplitCounts { train, val: 10, test };
        words(&*open("shapes", &SourceOptions { shapes, ..SourceOptions::default() }).unwrap())
    }

    #[test]
    fn small_sets_get_a_word_and_large_ones_none() {
        assert!(words_for(200, 100).is_empty());
        let few = words_for(50, 16);
        assert_eq!(few.len(), 2);
        let few = few.join(" ");
        assert!(few.contains("few training pictures: ") && few.contains(" 5"), "{few}");
        assert!(few.contains("expect mistakes"), "{few}");
        assert!(few.contains("uncertain by up to 25 points"), "{few}");
        let some = words_for(150, 400).join(" ");
        assert!(some.contains("too few for random ones") && !some.contains("uncertain"), "{some}");
    }
}
