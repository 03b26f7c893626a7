//! The wire: one JSON request a line, each checked against a strict schema before anything is done.

use crate::error::{Code, Failure, failure};
use crate::ids::{Id, ImageKey};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

/// Longest line of a request, in bytes, its newline included.
pub const LONGEST_LINE: usize = 64 * 1024;
/// Most ids in one `scan`.
const MOST_IDS: usize = 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    id: u64,
    #[serde(borrow)]
    verb: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    args: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct ImageArgs {
    pub image: ImageKey,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DiskCreateArgs {
    pub disk_id: Id,
    pub size_mib: u64,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DiskArgs {
    pub disk_id: Id,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MachineArgs {
    pub machine_id: Id,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct ScanArgs {
    pub ids: Vec<Id>,
}

/// How a guest's code runs.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Accelerator {
    Tcg,
    Kvm,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Labels {
    pub environment: Option<Id>,
}

/// 16 bytes in lower-case hexadecimal, for the guest's kernel command line.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub struct Magic(String);

impl Magic {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Magic {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 32 && text.bytes().all(hex) {
            Ok(Self(text))
        } else {
            Err("magic is 32 digits of 0-9 and a-f")
        }
    }
}

#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct LaunchArgs {
    pub machine_id: Id,
    pub image: ImageKey,
    pub disk_id: Option<Id>,
    pub memory_mib: u64,
    pub cpus: u32,
    pub accelerator: Accelerator,
    pub magic: Magic,
    #[serde(default)]
    pub labels: Labels,
}

/// One verb with its arguments, all of them within their ranges.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    Hello,
    ImageVerify(ImageArgs),
    ImageImport,
    DiskCreate(DiskCreateArgs),
    DiskRemove(DiskArgs),
    MachineLaunch(LaunchArgs),
    MachineKill(MachineArgs),
    MachineUsage(MachineArgs),
    List,
    Scan(ScanArgs),
    HostResources,
    JailProbe,
}

fn args<T: DeserializeOwned>(verb: &str, raw: &RawValue) -> Result<T, Failure> {
    serde_json::from_str(raw.get()).map_err(|error| failure(Code::BadRequest, format!("{verb}: {error}")))
}

fn within(what: &str, value: u64, range: std::ops::RangeInclusive<u64>) -> Result<(), Failure> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(failure(Code::BadRequest, format!("{what} is {value}, and must be {} to {}", range.start(), range.end())))
}

/// Reads one line. The id is known even when the rest is refused, so that the answer finds its question; it is
/// `None` when the line is not an envelope at all.
///
/// # Errors
/// `bad-request` with what was wrong.
pub fn parse(line: &[u8]) -> (Option<u64>, Result<Request, Failure>) {
    let envelope: Envelope<'_> = match serde_json::from_slice(line) {
        Ok(envelope) => envelope,
        Err(error) => return (None, Err(failure(Code::BadRequest, format!("not a request: {error}")))),
    };
    (Some(envelope.id), verb(&envelope.verb, envelope.args))
}

fn verb(name: &str, raw: &RawValue) -> Result<Request, Failure> {
    let nothing = |request: Request| args::<Nothing>(name, raw).map(|_| request);
    match name {
        "hello" => nothing(Request::Hello),
        "image.import" => nothing(Request::ImageImport),
        "list" => nothing(Request::List),
        "host.resources" => nothing(Request::HostResources),
        "jail.probe" => nothing(Request::JailProbe),
        "image.verify" => args(name, raw).map(Request::ImageVerify),
        "disk.remove" => args(name, raw).map(Request::DiskRemove),
        "machine.kill" => args(name, raw).map(Request::MachineKill),
        "machine.usage" => args(name, raw).map(Request::MachineUsage),
        "disk.create" => {
            let create: DiskCreateArgs = args(name, raw)?;
            within("sizeMib", create.size_mib, 64..=1_048_576)?;
            Ok(Request::DiskCreate(create))
        }
        "machine.launch" => {
            let launch: LaunchArgs = args(name, raw)?;
            within("memoryMib", launch.memory_mib, 64..=1_048_576)?;
            within("cpus", u64::from(launch.cpus), 1..=64)?;
            Ok(Request::MachineLaunch(launch))
        }
        "scan" => {
            let scan: ScanArgs = args(name, raw)?;
            within("the number of ids", scan.ids.len() as u64, 0..=MOST_IDS as u64)?;
            Ok(Request::Scan(scan))
        }
        _ => Err(failure(Code::BadRequest, format!("there is no verb {name:?}"))),
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
