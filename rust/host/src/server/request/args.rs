//! The arguments of each verb, as they stand on the wire.

use crate::store::ids::{Id, ImageKey, TemplateKey};
use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct ImageArgs {
    pub image: ImageKey,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DiskCreateArgs {
    pub disk_id: Id,
    size_mib: Option<u64>,
    template: Option<TemplateKey>,
}

/// What a new disk is a clone of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskFrom {
    /// An empty file system of this many MiB.
    Blank(u64),
    Template(TemplateKey),
}

impl DiskCreateArgs {
    /// `None` when neither or both are given.
    pub fn from(&self) -> Option<DiskFrom> {
        match (self.size_mib, &self.template) {
            (Some(size), None) => Some(DiskFrom::Blank(size)),
            (None, Some(template)) => Some(DiskFrom::Template(template.clone())),
            _ => None,
        }
    }
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
    /// Needed to boot; a restored guest has its own.
    pub magic: Option<Magic>,
    #[serde(default)]
    pub labels: Labels,
    #[serde(default)]
    pub memory: Memory,
}

/// Where a machine's memory comes from: `"plain"`, `"template-source"`, `{"template":key}` or `{"save":saveId}`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Memory {
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
pub struct ShapeArgs {
    pub image: ImageKey,
    pub memory_mib: u64,
    pub cpus: u32,
    pub disk_mib: u64,
    pub accelerator: Accelerator,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TemplateSaveArgs {
    pub machine_id: Id,
    pub template: TemplateKey,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct TemplateArgs {
    pub template: TemplateKey,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MachineSaveArgs {
    pub machine_id: Id,
    pub save_id: Id,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SaveArgs {
    pub save_id: Id,
}
