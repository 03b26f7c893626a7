//! What a machine is asked to be: the words that the wire, what lies on disk and the VMMs share.

use crate::store::ids::{Id, ImageKey, TemplateKey};
use serde::{Deserialize, Serialize};

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

/// The guest channel's key: 16 bytes in lower-case hexadecimal, for the guest's kernel command line. On the wire and on
/// disk it is called `magic`.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub struct ChannelKey(String);

impl ChannelKey {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ChannelKey {
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

/// All that a caller says of a machine.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MachineSpec {
    pub machine_id: Id,
    pub image: ImageKey,
    pub disk_id: Option<Id>,
    pub memory_mib: u64,
    pub cpus: u32,
    pub accelerator: Accelerator,
    /// Needed to boot; a restored guest has its own.
    #[serde(rename = "magic")]
    pub channel_key: Option<ChannelKey>,
    #[serde(default)]
    pub labels: Labels,
    #[serde(default)]
    pub memory: MemorySource,
}

/// Where a machine's memory comes from: `"plain"`, `"template-source"`, `{"template":key}` or `{"save":saveId}`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum MemorySource {
    #[default]
    Plain,
    /// It boots as well, and may become a template.
    TemplateSource,
    Template(TemplateKey),
    Save(Id),
}

/// All that a caller says of a template's shape.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Shape {
    pub image: ImageKey,
    pub memory_mib: u64,
    pub cpus: u32,
    /// 0 without a disk.
    pub disk_mib: u64,
    pub accelerator: Accelerator,
}
