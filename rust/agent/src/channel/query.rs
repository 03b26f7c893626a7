//! Query strings, strictly: every key known and given once, every value UTF-8.

use crate::error::{CallError, CallResult, Code, bad_request};

/// The longest path in bytes (PATH_MAX).
pub const MAX_PATH: usize = 4096;

pub struct Query(Vec<(String, String)>);

impl Query {
    /// Parses what follows the `?`; refuses a key that is not in `known`.
    pub fn parse(text: Option<&str>, known: &[&str]) -> CallResult<Query> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for pair in text.unwrap_or("").split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (key, value) = (decode(key)?, decode(value)?);
            if !known.contains(&key.as_str()) {
                return Err(bad_request(format!("unknown parameter {key:?}")));
            }
            if pairs.iter().any(|(other, _)| *other == key) {
                return Err(bad_request(format!("parameter {key:?} is given twice")));
            }
            pairs.push((key, value));
        }
        Ok(Query(pairs))
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == key).map(|(_, value)| value.as_str())
    }

    /// The parameter `path`.
    pub fn path(&self) -> CallResult<&str> {
        let path = self.get("path").ok_or_else(|| bad_request("parameter \"path\" is missing"))?;
        if path.is_empty() || path.len() > MAX_PATH || path.contains('\0') {
            return Err(bad_request("a path is 1 to 4096 bytes without NUL"));
        }
        Ok(path)
    }

    pub fn offset(&self, key: &str) -> CallResult<Option<u64>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(bad_request(format!("{key} is not a number")));
        }
        let past = |_| CallError::new(Code::OffsetOutOfRange, format!("{key} is out of range"));
        value.parse().map(Some).map_err(past)
    }

    /// The parameter `port`.
    pub fn port(&self) -> CallResult<u16> {
        let digits = self.get("port").filter(|value| value.bytes().all(|byte| byte.is_ascii_digit()));
        let port = digits.and_then(|value| value.parse().ok()).filter(|port| *port != 0);
        port.ok_or_else(|| bad_request("port is a number from 1 to 65535"))
    }

    pub fn flag(&self, key: &str) -> CallResult<bool> {
        match self.get(key) {
            None | Some("0") => Ok(false),
            Some("1") => Ok(true),
            Some(_) => Err(bad_request(format!("{key} is 0 or 1"))),
        }
    }

    /// Milliseconds since 1970.
    pub fn mtime(&self) -> CallResult<Option<i64>> {
        let Some(value) = self.get("mtime") else { return Ok(None) };
        let in_range = |ms: &i64| ms.abs() <= 8_640_000_000_000_000;
        let parsed = value.parse().ok().filter(in_range).filter(|_| !value.starts_with('+'));
        parsed.map(Some).ok_or_else(|| bad_request("mtime is milliseconds since 1970"))
    }

    /// Permission bits in octal.
    pub fn mode(&self) -> CallResult<Option<u32>> {
        let Some(value) = self.get("mode") else { return Ok(None) };
        let bits = u32::from_str_radix(value, 8).ok().filter(|bits| *bits <= 0o7777 && !value.starts_with('+'));
        bits.map(Some).ok_or_else(|| bad_request("mode is octal, at most 7777"))
    }
}

/// Undoes percent-encoding; `+` is a space, as URLSearchParams writes it.
fn decode(text: &str) -> CallResult<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| byte.and_then(|byte| (byte as char).to_digit(16));
                match (digit(rest.next()), digit(rest.next())) {
                    (Some(high), Some(low)) => (high * 16 + low) as u8,
                    _ => return Err(bad_request("a % without two digits")),
                }
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| bad_request("a parameter is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_and_unknown_or_repeated_keys_refused() {
        let query = Query::parse(Some("path=a%2Fb+c%C3%A9&mode=0644"), &["path", "mode"]).unwrap();
        assert_eq!(query.path().unwrap(), "a/b cé");
        assert_eq!(query.mode().unwrap(), Some(0o644));
        assert!(Query::parse(Some("other=1"), &["path"]).is_err());
        let mtime = |text| Query::parse(Some(text), &["mtime"]).unwrap().mtime();
        assert_eq!(mtime("mtime=-1500").unwrap(), Some(-1500));
        for bad in ["mtime=", "mtime=1.5", "mtime=%2B1", "mtime=9223372036854775807"] {
            assert!(mtime(bad).is_err(), "{bad}");
        }
        assert!(Query::parse(Some("path=1&path=2"), &["path"]).is_err());
        assert!(Query::parse(Some("path=%ff"), &["path"]).is_err());
        assert!(Query::parse(Some("path=%f"), &["path"]).is_err());
        assert!(Query::parse(Some("path=a%00b"), &["path"]).unwrap().path().is_err());
    }
}
