//! The wire: one JSON request a line, each checked against a strict schema before anything is done.

use crate::error::{Code, Failure, failure};
use crate::spec::{LiveLimits, MachineSpec, MemorySource, Shape, VmmKind};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

mod args;
pub use args::{
    DiskArgs, DiskCreateArgs, DiskFrom, ImageArgs, MachineArgs, MachineLimitArgs, MachineSaveArgs, NetworkAdmitArgs,
    NetworkJoinArgs, NetworkPolicyArgs, SaveArgs, ScanArgs, TemplateArgs, TemplateSaveArgs,
};

/// Longest line of a request, in bytes, its newline included.
pub const LONGEST_LINE: usize = 64 * 1024;
/// Most ids in one `scan`.
const MOST_IDS: usize = 1024;
/// Of a disk and of memory, in MiB.
const SIZES: std::ops::RangeInclusive<u64> = 64..=1_048_576;
/// Most entries in one `network.admit`.
const MOST_ENTRIES: u64 = 64;
/// In seconds, of an address of a name: a day is as long as any resolver keeps one.
const TTL: std::ops::RangeInclusive<u64> = 1..=86_400;
const CPUS: std::ops::RangeInclusive<u64> = 1..=64;
/// Of a control group, as on version 2.
const WEIGHTS: std::ops::RangeInclusive<u64> = 1..=10_000;
/// In percent of one processor.
const QUOTAS: std::ops::RangeInclusive<u64> = 10..=10_000;
/// A second, of a disk.
const BYTES: std::ops::RangeInclusive<u64> = 65_536..=1 << 40;
const OPERATIONS: std::ops::RangeInclusive<u64> = 10..=10_000_000;
/// In seconds.
const BURSTS: std::ops::RangeInclusive<u64> = 1..=60;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    id: u64,
    #[serde(borrow)]
    verb: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    args: &'a RawValue,
    #[serde(default, borrow)]
    request: Option<std::borrow::Cow<'a, str>>,
}

/// The caller's id of what it is doing, under which its own log has more: 1 to 32 of a-z and 0-9.
#[derive(Debug, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    fn parse(text: &str) -> Result<Self, Failure> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if (1..=32).contains(&text.len()) && is_plain {
            return Ok(Self(text.to_owned()));
        }
        Err(failure(Code::BadRequest, "a request's own id is 1 to 32 of a-z and 0-9"))
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// One line that was read.
pub struct Line {
    /// Known even when the rest is refused, so that the answer finds its question; `None` when the line is not an
    /// envelope at all.
    pub id: Option<u64>,
    pub request_id: Option<RequestId>,
    /// Refused with `bad-request` and what was wrong.
    pub request: Result<Request, Failure>,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct JailProbeArgs {
    /// Whose jail.
    #[serde(default)]
    pub vmm: VmmKind,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// One verb with its arguments, all of them within their ranges.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    Hello,
    Settle,
    ImageVerify(ImageArgs),
    ImageImport,
    ImageList,
    ImageRemove(ImageArgs),
    DiskCreate(DiskCreateArgs, DiskFrom),
    DiskRemove(DiskArgs),
    MachineLaunch(MachineSpec),
    MachineKill(MachineArgs),
    MachineUsage(MachineArgs),
    MachineLimit(MachineLimitArgs),
    MachineOverhead,
    MachineSave(MachineSaveArgs),
    TemplateFind(Shape),
    TemplateSave(TemplateSaveArgs),
    TemplateList,
    TemplateRemove(TemplateArgs),
    SaveList,
    SaveRemove(SaveArgs),
    List,
    Scan(ScanArgs),
    NetworkStatus,
    NetworkList,
    NetworkAttach(MachineArgs),
    NetworkPolicy(NetworkPolicyArgs),
    NetworkAdmit(NetworkAdmitArgs),
    NetworkDenials(MachineArgs),
    NetworkUsage(MachineArgs),
    NetworkJoin(NetworkJoinArgs),
    NetworkLeave(MachineArgs),
    NetworkRelease(MachineArgs),
    NetworkRemove,
    HostResources,
    JailProbe(JailProbeArgs),
}

impl Request {
    /// Whether it changes what there is of machines, disks, templates, saves or slots.
    #[must_use]
    pub fn changes(&self) -> bool {
        match self {
            Self::DiskCreate(..)
            | Self::DiskRemove(_)
            | Self::MachineLaunch(_)
            | Self::MachineKill(_)
            | Self::MachineLimit(_)
            | Self::MachineSave(_)
            | Self::TemplateSave(_)
            | Self::TemplateRemove(_)
            | Self::SaveRemove(_)
            | Self::NetworkAttach(_)
            | Self::NetworkRelease(_)
            | Self::NetworkRemove => true,
            Self::Hello
            | Self::Settle
            | Self::ImageVerify(_)
            | Self::ImageImport
            | Self::ImageList
            | Self::ImageRemove(_)
            | Self::MachineUsage(_)
            | Self::MachineOverhead
            | Self::TemplateFind(_)
            | Self::TemplateList
            | Self::SaveList
            | Self::List
            | Self::Scan(_)
            | Self::NetworkStatus
            | Self::NetworkList
            | Self::NetworkPolicy(_)
            | Self::NetworkAdmit(_)
            | Self::NetworkDenials(_)
            | Self::NetworkUsage(_)
            | Self::NetworkJoin(_)
            | Self::NetworkLeave(_)
            | Self::HostResources
            | Self::JailProbe(_) => false,
        }
    }
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

fn check_limits(limits: &LiveLimits) -> Result<(), Failure> {
    if let Some(cpu) = &limits.cpu {
        within("weight", cpu.weight, WEIGHTS)?;
        within("quotaPercent", cpu.quota_percent, QUOTAS)?;
    }
    if let Some(disk) = &limits.disk {
        within("bytesPerSecond", disk.bytes_per_second, BYTES)?;
        within("operationsPerSecond", disk.operations_per_second, OPERATIONS)?;
        within("burstBytesPerSecond", disk.burst_bytes_per_second, disk.bytes_per_second..=*BYTES.end())?;
        let operations = disk.operations_per_second..=*OPERATIONS.end();
        within("burstOperationsPerSecond", disk.burst_operations_per_second, operations)?;
        within("burstSeconds", disk.burst_seconds, BURSTS)?;
    }
    Ok(())
}

/// Reads one line.
#[must_use]
pub fn parse(line: &[u8]) -> Line {
    let envelope: Envelope<'_> = match serde_json::from_slice(line) {
        Ok(envelope) => envelope,
        Err(error) => {
            let request = Err(failure(Code::BadRequest, format!("not a request: {error}")));
            return Line { id: None, request_id: None, request };
        }
    };
    let id = Some(envelope.id);
    match envelope.request.as_deref().map(RequestId::parse).transpose() {
        Ok(request_id) => Line { id, request_id, request: verb(&envelope.verb, envelope.args) },
        Err(refusal) => Line { id, request_id: None, request: Err(refusal) },
    }
}

fn verb(name: &str, raw: &RawValue) -> Result<Request, Failure> {
    let nothing = |request: Request| args::<Nothing>(name, raw).map(|_| request);
    match name {
        "hello" => nothing(Request::Hello),
        "settle" => nothing(Request::Settle),
        "image.import" => nothing(Request::ImageImport),
        "list" => nothing(Request::List),
        "machine.overhead" => nothing(Request::MachineOverhead),
        "host.resources" => nothing(Request::HostResources),
        "template.list" => nothing(Request::TemplateList),
        "save.list" => nothing(Request::SaveList),
        "image.list" => nothing(Request::ImageList),
        "image.remove" => args(name, raw).map(Request::ImageRemove),
        "jail.probe" => args(name, raw).map(Request::JailProbe),
        "image.verify" => args(name, raw).map(Request::ImageVerify),
        "disk.remove" => args(name, raw).map(Request::DiskRemove),
        "machine.kill" => args(name, raw).map(Request::MachineKill),
        "machine.usage" => args(name, raw).map(Request::MachineUsage),
        "machine.limit" => {
            let limit: MachineLimitArgs = args(name, raw)?;
            check_limits(&limit.limits)?;
            Ok(Request::MachineLimit(limit))
        }
        "disk.create" => {
            let create: DiskCreateArgs = args(name, raw)?;
            let from = create.from().ok_or_else(|| failure(Code::BadRequest, "give either sizeMib or template"))?;
            if let DiskFrom::Blank(size_mib) = from {
                within("sizeMib", size_mib, SIZES)?;
            }
            Ok(Request::DiskCreate(create, from))
        }
        "machine.launch" => {
            let launch: MachineSpec = args(name, raw)?;
            within("memoryMib", launch.memory_mib, SIZES)?;
            within("cpus", u64::from(launch.cpus), CPUS)?;
            check_limits(&launch.limits)?;
            if launch.channel_key.is_none()
                && matches!(launch.memory, MemorySource::Plain | MemorySource::TemplateSource)
            {
                return Err(failure(Code::BadRequest, "a guest that boots needs a magic"));
            }
            Ok(Request::MachineLaunch(launch))
        }
        "machine.save" => args(name, raw).map(Request::MachineSave),
        "template.find" => {
            let shape: Shape = args(name, raw)?;
            within("memoryMib", shape.memory_mib, SIZES)?;
            within("cpus", u64::from(shape.cpus), CPUS)?;
            within("diskMib", shape.disk_mib, SIZES)?;
            Ok(Request::TemplateFind(shape))
        }
        "template.save" => args(name, raw).map(Request::TemplateSave),
        "template.remove" => args(name, raw).map(Request::TemplateRemove),
        "save.remove" => args(name, raw).map(Request::SaveRemove),
        "network.status" => nothing(Request::NetworkStatus),
        "network.list" => nothing(Request::NetworkList),
        "network.attach" => args(name, raw).map(Request::NetworkAttach),
        "network.policy" => {
            let policy: NetworkPolicyArgs = args(name, raw)?;
            policy.policy.check()?;
            Ok(Request::NetworkPolicy(policy))
        }
        "network.admit" => {
            let admit: NetworkAdmitArgs = args(name, raw)?;
            within("the number of entries", admit.entries.len() as u64, 1..=MOST_ENTRIES)?;
            for entry in &admit.entries {
                within("ttlSeconds", entry.ttl_seconds, TTL)?;
            }
            Ok(Request::NetworkAdmit(admit))
        }
        "network.denials" => args(name, raw).map(Request::NetworkDenials),
        "network.usage" => args(name, raw).map(Request::NetworkUsage),
        "network.join" => args(name, raw).map(Request::NetworkJoin),
        "network.leave" => args(name, raw).map(Request::NetworkLeave),
        "network.release" => args(name, raw).map(Request::NetworkRelease),
        "network.remove" => nothing(Request::NetworkRemove),
        "scan" => {
            let scan: ScanArgs = args(name, raw)?;
            within("the number of ids", scan.ids.len() as u64, 0..=MOST_IDS as u64)?;
            Ok(Request::Scan(scan))
        }
        _ => Err(failure(Code::BadRequest, format!("there is no verb {name:?}"))),
    }
}

#[cfg(test)]
mod tests;
