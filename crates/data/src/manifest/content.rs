//! The hash of a file's bytes, and names that are the same on every platform.

use std::fmt;
use std::path::{Component, Path};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_128;

/// 128-bit XXH3 hash of some bytes, seed 0. It distinguishes files that differ by accident; it does not protect against
/// deliberate collisions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContentHash(u128);

impl ContentHash {
    /// The hash of these bytes.
    pub fn of(bytes: &[u8]) -> ContentHash {
        ContentHash(XxHash3_128::oneshot(bytes))
    }

    /// The hash as bytes, most significant first.
    pub fn bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

/// 32 lower-case hexadecimal digits, as printed by `xxhsum -H2`.
impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ContentHash {
    type Err = String;

    fn from_str(text: &str) -> Result<ContentHash, String> {
        let is_digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = is_digits.then(|| u128::from_str_radix(text, 16).ok()).flatten();
        number.map(ContentHash).ok_or_else(|| format!("`{text}` is not a hash of 32 hexadecimal digits"))
    }
}

impl TryFrom<String> for ContentHash {
    type Error = String;

    fn try_from(text: String) -> Result<ContentHash, String> {
        text.parse()
    }
}

impl From<ContentHash> for String {
    fn from(hash: ContentHash) -> String {
        hash.to_string()
    }
}

/// A relative path as text that is the same on every platform: parts joined by `/`, and bytes that are not UTF-8 written as
/// `\xE9`, so that two different names never become one.
pub(crate) fn portable_path(path: &Path) -> String {
    let parts = path.components().filter(|part| !matches!(part, Component::CurDir));
    parts.map(|part| portable_name(part.as_os_str())).collect::<Vec<_>>().join("/")
}

fn portable_name(name: &std::ffi::OsStr) -> String {
    let mut text = String::new();
    for chunk in name.as_encoded_bytes().utf8_chunks() {
        // A backslash in a name is doubled, so that it cannot be mistaken for an escape.
        text.push_str(&chunk.valid().replace('\\', r"\\"));
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!(r"\x{byte:02X}")));
    }
    text
}

/// The path for a text made by [`portable_path`].
pub(crate) fn native_path(text: &str) -> std::path::PathBuf {
    text.split('/').map(native_name).collect()
}

#[cfg(unix)]
fn native_name(text: &str) -> std::ffi::OsString {
    use std::os::unix::ffi::OsStringExt;
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = match after {
            [b'x', high, low, ..] if byte == b'\\' => {
                let digits = [*high, *low];
                let byte =
                    std::str::from_utf8(&digits).ok().and_then(|digits| u8::from_str_radix(digits, 16).ok());
                // Only what is not UTF-8 is ever escaped, so an escape never hides a dot or a slash.
                byte.filter(|byte| !byte.is_ascii())
            }
            _ => None,
        };
        rest = match (byte, escaped, after) {
            (_, Some(escaped), _) => {
                bytes.push(escaped);
                &after[3..]
            }
            (b'\\', None, [b'\\', after @ ..]) => {
                bytes.push(b'\\');
                after
            }
            _ => {
                bytes.push(byte);
                after
            }
        };
    }
    std::ffi::OsString::from_vec(bytes)
}

/// Elsewhere names are Unicode and have no backslash.
#[cfg(not(unix))]
fn native_name(text: &str) -> std::ffi::OsString {
    text.replace(r"\\", r"\").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_xxh3_with_128_bits() {
        // From the reference implementation: `printf '' | xxhsum -H2` and `printf 'convscope' | xxhsum -H2`.
        assert_eq!(ContentHash::of(b"").to_string(), "99aa06d3014798d86001c324468d497f");
        let hash = ContentHash::of(b"convscope");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert!("99aa".parse::<ContentHash>().is_err());
        assert!("+9aa06d3014798d86001c324468d497f".parse::<ContentHash>().is_err());
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_not_unicode_stay_apart_and_come_back() {
        use std::os::unix::ffi::OsStrExt;
        let names: [&[u8]; 6] =
            [b"caf\xe9/a.png", b"caf\xe8/a.png", "café/ä.png".as_bytes(), br"a\xE9", br"\\", b"\xff\xfe\\"];
        let texts = names.map(|name| portable_path(Path::new(std::ffi::OsStr::from_bytes(name))));
        assert_eq!(texts[..4], [r"caf\xE9/a.png", r"caf\xE8/a.png", "café/ä.png", r"a\\xE9"]);
        for (name, text) in names.iter().zip(&texts) {
            assert_eq!(native_path(text).as_os_str().as_bytes(), *name, "{text}");
        }
    }
}
