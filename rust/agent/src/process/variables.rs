//! The variables of `/etc/environment`.

use std::path::Path;

use crate::process::tenant_file::{look_up, read};
use crate::process::user::User;

const MAX_FILE: u64 = 64 << 10;

/// What every program of a guest's user is started with; none when the file cannot be read in time.
pub async fn of_machine(user: &User) -> Vec<(String, String)> {
    if !user.switch {
        return Vec::new();
    }
    let found = look_up(|| read(Path::new("/etc/environment"), MAX_FILE)).await;
    found.flatten().map(|text| parse(&text)).unwrap_or_default()
}

/// As pam_env(8) reads them: `NAME=value`, perhaps behind `export`, perhaps in quotes. A line ends at its first `#`, in
/// quotes too.
fn parse(text: &str) -> Vec<(String, String)> {
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    text.lines()
        .filter_map(|line| line.split('#').next())
        .map(str::trim)
        .filter_map(|line| line.strip_prefix("export ").unwrap_or(line).trim_start().split_once('='))
        .filter(|(name, value)| is_name(name) && !value.contains('\0'))
        .map(|(name, value)| (name.to_owned(), unquoted(value).to_owned()))
        .collect()
}

/// A quote at the end goes only together with one at the beginning; the two need not match.
fn unquoted(value: &str) -> &str {
    let quotes = ['"', '\''];
    value.strip_prefix(quotes).map_or(value, |rest| rest.strip_suffix(quotes).unwrap_or(rest))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn the_environment_is_read_as_pam_does() {
        for (line, value) in [
            ("A=1", Some("1")),
            ("  export A=\"two words\"  ", Some("two words")),
            ("A='x'", Some("x")),
            ("A=e=f", Some("e=f")),
            ("A=", Some("")),
            ("A=\"", Some("")),
            ("A=\"open", Some("open")),
            ("A=\"mixed'", Some("mixed")),
            ("A=\"it's\"", Some("it's")),
            ("A=closed\"", Some("closed\"")),
            ("A=1 # a comment", Some("1")),
            ("A=red#blue", Some("red")),
            ("A=\"#fff\"", Some("")),
            ("#A=1", None),
            ("A#=1", None),
            ("A", None),
            ("=1", None),
            ("A-B=1", None),
            ("A=\0", None),
        ] {
            let expected: Vec<_> = value.map(|value| ("A".to_owned(), value.to_owned())).into_iter().collect();
            assert_eq!(parse(&format!("# first\n{line}\n\n")), expected, "{line}");
        }
    }
}
