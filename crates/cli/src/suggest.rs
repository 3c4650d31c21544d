//! Suggestions for names that do not exist.

/// `did you mean lr?`, if one of the known names is close to what was written.
pub(crate) fn did_you_mean<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    closest(written, known).map(|name| format!("did you mean {name}?"))
}

/// Names of the same things in other programs.
const ELSEWHERE: [(&str, &str); 12] = [
    ("learning_rate", "lr"),
    ("learning-rate", "lr"),
    ("batch", "batch_size"),
    ("bs", "batch_size"),
    ("filters", "out_channels"),
    ("units", "out_features"),
    ("strides", "stride"),
    ("pool_size", "kernel_size"),
    ("rate", "p"),
    ("epsilon", "eps"),
    ("type", "op"),
    ("dense", "linear"),
];
/// How similar two names must be, 0 to 1.
const SIMILAR: f64 = 0.6;

fn closest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let known: Vec<&str> = known.into_iter().collect();
    let elsewhere = ELSEWHERE.iter().find(|(name, _)| *name == written).map(|(_, ours)| *ours);
    if let Some(same) = known.iter().find(|name| Some(**name) == elsewhere) {
        return Some(same);
    }
    let plain = |name: &str| name.to_lowercase().replace('-', "_");
    let likeness = |name: &str| strsim::normalized_damerau_levenshtein(&plain(written), &plain(name));
    let best = known.into_iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) >= SIMILAR).then_some(best)
}

/// The first number with a decimal comma in a text, written with a point; `None` if commas mean something else.
pub(crate) fn with_point(text: &str) -> Option<String> {
    let belongs = |c: char| c.is_ascii_digit() || ",.-+eE".contains(c);
    let words = text.split(|c: char| !belongs(c)).filter(|word| word.matches(',').count() == 1);
    words.filter_map(|word| word.split_once(',')).find_map(|(whole, part)| {
        let is_whole = whole.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit());
        let number = format!("{whole}.{part}");
        let is_number = is_whole
            && whole.ends_with(|c: char| c.is_ascii_digit())
            && part.starts_with(|c: char| c.is_ascii_digit());
        (is_number && number.parse::<f64>().is_ok()).then_some(number)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_name_is_meant_or_none() {
        let keys = ["lr", "batch_size", "label_smoothing", "epochs"];
        for (written, expected) in [
            ("batchsize", Some("batch_size")),
            ("batch-size", Some("batch_size")),
            ("epoch", Some("epochs")),
            ("label_smothing", Some("label_smoothing")),
            ("learning_rate", Some("lr")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(closest(written, keys), expected, "{written}");
        }
        assert_eq!(closest("rate", keys), None);
        assert_eq!(did_you_mean("plain-8", ["plain8", "resnet8"]).as_deref(), Some("did you mean plain8?"));
    }

    #[test]
    fn a_decimal_comma_becomes_a_point() {
        for (text, expected) in [
            ("0,01", Some("0.01")),
            ("-1,5", Some("-1.5")),
            ("1,5e-3", Some("1.5e-3")),
            ("0.01", None),
            ("a,5", None),
            ("1,2,3", None),
            (",5", None),
            ("5,", None),
            ("flip,shift=0,1", Some("0.1")),
            ("cannot be \"0,3\": invalid", Some("0.3")),
            ("flip,crop=4", None),
        ] {
            assert_eq!(with_point(text).as_deref(), expected, "{text}");
        }
    }
}
