//! Names of files for things whose names are any text.

use std::collections::HashMap;

/// Bytes of a stem at most.
pub const MOST_STEM_BYTES: usize = 100;

/// A stem of a file name for each of these names, in their order: letters, digits, `.`, `_` and `-` stay, all other bytes become
/// `%` and two hexadecimal digits, from which the name can be restored.
///
/// Stems differ even where case does not count: names that differ only by case have their capital letters escaped. Names that would
/// need more than [`MOST_STEM_BYTES`] are cut, and end with `~` and a hash of the whole name instead.
///
/// ```
/// use convscope_files::stems;
/// assert_eq!(stems(["features.0", "aux/head", "Aux/head"]), ["features.0", "aux%2Fhead", "%41ux%2Fhead"]);
/// ```
pub fn stems<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let readable: Vec<(&str, String)> =
        names.into_iter().map(|name| (name, fitted(name, escaped(name, false)))).collect();
    let mut alike: HashMap<String, usize> = HashMap::new();
    readable.iter().for_each(|(_, stem)| *alike.entry(stem.to_lowercase()).or_default() += 1);
    let stem = |(name, stem): (&str, String)| {
        if alike[&stem.to_lowercase()] == 1 { stem } else { fitted(name, escaped(name, true)) }
    };
    readable.into_iter().map(stem).collect()
}

fn escaped(name: &str, escapes_capitals: bool) -> String {
    let mut stem = String::new();
    for (place, &byte) in name.as_bytes().iter().enumerate() {
        let is_plain = match byte {
            b'A'..=b'Z' => !escapes_capitals,
            // A hidden file, or the folder above.
            b'.' => place > 0,
            b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => true,
            _ => false,
        };
        if is_plain { stem.push(char::from(byte)) } else { stem += &format!("%{byte:02X}") }
    }
    stem
}

fn fitted(name: &str, mut stem: String) -> String {
    if stem.len() > MOST_STEM_BYTES {
        // FNV-1a: short, and the same in every version of the program.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        let end = format!("~{hash:016x}");
        stem.truncate(MOST_STEM_BYTES - end.len());
        stem += &end;
    }
    stem
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn restored(stem: &str) -> String {
        let mut bytes = Vec::new();
        let mut rest = stem.as_bytes();
        while let [first, others @ ..] = rest {
            if *first == b'%' {
                bytes.push(u8::from_str_radix(std::str::from_utf8(&others[..2]).unwrap(), 16).unwrap());
                rest = &others[2..];
            } else {
                bytes.push(*first);
                rest = others;
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn every_name_can_be_restored() {
        let names = [
            "conv2d_1",
            "features.0",
            "a/b",
            "a%2Fb",
            "..",
            "日本",
            " x ",
            "CON",
            "con",
            "Con",
            "~",
            ".hidden",
            "a\\b",
        ];
        let stems = stems(names);
        for (name, stem) in names.iter().zip(&stems) {
            assert_eq!(restored(stem), *name);
            assert!(
                !stem.starts_with('.')
                    && stem.bytes().all(|b| b.is_ascii_alphanumeric() || b"%._-".contains(&b))
            );
        }
        let different: HashSet<String> = stems.iter().map(|stem| stem.to_lowercase()).collect();
        assert_eq!(different.len(), names.len(), "{stems:?}");
    }

    #[test]
    fn long_names_are_cut_and_stay_different() {
        let [long, other] = ["a", "b"].map(|end| format!("{}{end}", "Größe".repeat(60)));
        let stems = stems([long.as_str(), other.as_str()]);
        assert!(stems.iter().all(|stem| stem.len() == MOST_STEM_BYTES && stem.contains('~')), "{stems:?}");
        assert_ne!(stems[0].to_lowercase(), stems[1].to_lowercase());
    }
}
