//! What header and pax records say of a tar's member.

use std::io::Read;

use nix::sys::time::TimeSpec;
use tar::{Entry, Header};

use crate::files::tar::sparse::{self, SparseRecords};

/// Seconds since 1970 that file systems can still hold.
const MAX_TIME: i64 = 1 << 33;

/// What a member's pax records say of its holes and its time. The tar crate skips records that it cannot read, among them
/// names with a newline, and takes the shortened name of the header: such a member would be written under a wrong name.
pub fn read<R: Read>(member: &mut Entry<'_, R>) -> Result<(Option<SparseRecords>, Option<TimeSpec>), String> {
    let unreadable = "has pax records that cannot be read; a name with a newline is one reason";
    let mut records = Vec::new();
    for record in member.pax_extensions().map_err(|_| unreadable)?.into_iter().flatten() {
        let record = record.map_err(|_| unreadable)?;
        if record.value_bytes().contains(&0) {
            return Err("has a NUL in a pax record".to_owned());
        }
        records.push((record.key_bytes().to_vec(), record.value_bytes().to_vec()));
    }
    let time = records.iter().find(|(key, _)| key == b"mtime").and_then(|(_, value)| time_of(value));
    let sparse = sparse::records(records.iter().map(|(key, value)| (key.as_slice(), value.as_slice())))
        .map_err(|error| format!("is {error}"))?;
    Ok((sparse, time))
}

/// GNU tar writes times before 1970 in two's complement (its manual, "Basic Tar Format"). `None` for one out of range.
pub fn header_time(header: &Header) -> Option<TimeSpec> {
    let field = &header.as_old().mtime;
    let seconds = if field[0] & 0x80 == 0 {
        i64::try_from(header.mtime().ok()?).ok()?
    } else {
        i64::from_be_bytes(field[4..].try_into().ok()?)
    };
    (seconds.unsigned_abs() < MAX_TIME.unsigned_abs()).then(|| TimeSpec::new(seconds, 0))
}

/// Seconds since 1970 with a fraction, as pax has them.
fn time_of(text: &[u8]) -> Option<TimeSpec> {
    let text = std::str::from_utf8(text).ok()?;
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole: i64 = seconds.parse().ok().filter(|time: &i64| time.unsigned_abs() < MAX_TIME.unsigned_abs())?;
    let digits: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    let nanos: i64 = digits.parse().ok()?;
    // -1.5 lies half a second before -1.
    Some(if seconds.starts_with('-') && nanos > 0 {
        TimeSpec::new(whole - 1, 1_000_000_000 - nanos)
    } else {
        TimeSpec::new(whole, nanos)
    })
}
