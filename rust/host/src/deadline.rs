//! How many times as long as usual a VMM may take, on hosts that are emulated themselves.

use std::sync::OnceLock;
use std::time::Duration;

/// The server's deadlines are multiplied by the same (`packages/host/src/deadline.ts`).
pub const VARIABLE: &str = "MICROTERM_DEADLINE_FACTOR";
/// Beyond it, a mistake is likelier than a slow host.
const MOST: u32 = 100;

static FACTOR: OnceLock<u32> = OnceLock::new();

/// Takes over the factor in the environment.
///
/// # Errors
/// It is none from 1 to `MOST`.
pub fn read() -> Result<(), String> {
    if let Ok(text) = std::env::var(VARIABLE) {
        let _ = FACTOR.set(parse(&text)?);
    }
    Ok(())
}

fn parse(text: &str) -> Result<u32, String> {
    let factor = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    factor
        .filter(|factor| (1..=MOST).contains(factor))
        .ok_or_else(|| format!("{VARIABLE} must be a number from 1 to {MOST}, and is {text:?}"))
}

pub fn factor() -> u32 {
    FACTOR.get().copied().unwrap_or(1)
}

/// What is waited here in place of `usual`.
pub fn of(usual: Duration) -> Duration {
    usual * factor()
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn is_a_number_from_1_to_100() {
        assert_eq!((parse("1"), parse("20"), parse("100")), (Ok(1), Ok(20), Ok(100)));
        for text in ["", "0", "101", "+4", "-4", "4.5", " 4", "99999999999"] {
            assert!(parse(text).unwrap_err().contains("from 1 to 100"), "{text:?}");
        }
    }
}
