//! Names that a caller may give. Every object of the daemon is found by joining one of these to a folder of the
//! daemon's own, so what the type admits is the whole defence against a path that leads elsewhere.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Shortest id of a machine, disk, environment or image.
const SHORTEST: usize = 8;
/// Longest id of a machine, disk or environment.
const LONGEST: usize = 32;
/// Longest id of a shared network.
const LONGEST_NETWORK: usize = 12;
/// Longest image key: a whole SHA-256 in hexadecimal.
const LONGEST_KEY: usize = 64;

fn check(text: &str, longest: usize) -> Result<(), String> {
    if !(SHORTEST..=longest).contains(&text.len()) {
        return Err(format!("an id has {SHORTEST} to {longest} characters"));
    }
    if !text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
        return Err("an id is made of a-z and 0-9".to_owned());
    }
    Ok(())
}

/// The id of a machine, disk or environment: `^[a-z0-9]{8,32}$`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String")]
pub struct Id(String);

impl Id {
    /// # Errors
    /// Says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, String> {
        check(text, LONGEST).map(|()| Self(text.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Id {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of a shared network: `^[a-z0-9]{8,12}$`. With two characters before it, it is the name of a link.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String")]
pub struct NetworkId(String);

impl TryFrom<String> for NetworkId {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        check(&text, LONGEST_NETWORK).map(|()| Self(text))
    }
}

impl fmt::Display for NetworkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The key of an image: `^[a-z0-9]{8,64}$`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String")]
pub struct ImageKey(String);

impl ImageKey {
    /// # Errors
    /// Says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, String> {
        check(text, LONGEST_KEY).map(|()| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ImageKey {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl fmt::Display for ImageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The key of a template: 16 to 64 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String")]
pub struct TemplateKey(String);

impl TemplateKey {
    /// # Errors
    /// Says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, String> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if (16..=LONGEST_KEY).contains(&text.len()) && text.bytes().all(digit) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("a template's key has 16 to {LONGEST_KEY} digits of 0-9 and a-f"))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TemplateKey {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl fmt::Display for TemplateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]))
        .collect()
}

/// Whether `text` bears `id` as a whole word, so that `machine1` is not found in `machine10`.
pub fn bears(text: &str, id: &Id) -> bool {
    text.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit())).any(|word| word == id.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn admits_lower_case_letters_and_digits_of_the_right_length() {
        assert!(Id::parse("abcd1234").is_ok());
        assert!(Id::parse(&"a".repeat(32)).is_ok());
        assert!(ImageKey::parse(&"a".repeat(64)).is_ok());
        assert!(TemplateKey::parse("0123456789abcdef").is_ok());
    }

    #[test]
    fn refuses_everything_else() {
        for text in ["", "short12", "../../etc", "ABCDEFGH", "abcd efgh", "abcdefgh\n", "abcdefgh\0", "abcdefg\u{e9}"] {
            assert!(Id::parse(text).is_err(), "{text:?}");
        }
        assert!(Id::parse(&"a".repeat(33)).is_err());
        assert!(ImageKey::parse(&"a".repeat(65)).is_err());
        for text in ["0123456789abcde", "0123456789abcdeg", "../../0123456789abcdef"] {
            assert!(TemplateKey::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn bears_whole_words_only() {
        let id = Id::parse("machine1").unwrap();
        assert!(bears("/x/machine1/agent.sock", &id));
        assert!(bears("machine1", &id));
        assert!(!bears("/x/machine10/agent.sock", &id));
    }

    proptest! {
        #[test]
        fn an_admitted_id_is_one_path_component(text in "\\PC{0,40}|[a-z0-9./]{0,40}") {
            if let Ok(id) = Id::parse(&text) {
                let path = std::path::Path::new("/base").join(id.as_str());
                prop_assert_eq!(path.components().count(), 3);
                prop_assert_eq!(path.parent(), Some(std::path::Path::new("/base")));
                prop_assert_ne!(id.as_str(), "..");
            }
        }
    }
}
