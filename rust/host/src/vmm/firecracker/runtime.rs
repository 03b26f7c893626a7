//! Firecracker's two programs, as the supervisor copied them.

use crate::error::{Code, During, Outcome, failure};
use crate::store::ids::hex;
use crate::store::paths;
use crate::vmm::firecracker::version::{Program, Support, Version, version_of};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// Where the operator has Firecracker's programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Programs {
    pub firecracker: PathBuf,
    pub jailer: PathBuf,
}

pub struct Runtime {
    pub version: Version,
    /// Differs between any two builds.
    pub identity: String,
}

impl Runtime {
    /// # Errors
    /// `unsupported` with what is missing, or why these programs are of no use.
    pub fn find(given: Option<&Programs>) -> Outcome<Self> {
        let unsupported = |why: String| failure(Code::Unsupported, why);
        let Some(given) = given else {
            return Err(unsupported("the daemon was started without --firecracker and --jailer".to_owned()));
        };
        let copies = [
            (Program::Firecracker, &given.firecracker, paths::FIRECRACKER),
            (Program::Jailer, &given.jailer, paths::JAILER),
        ];
        let mut versions = Vec::new();
        for (program, from, copy) in copies {
            if !Path::new(copy).exists() {
                return Err(unsupported(format!("{} could not be read when the daemon was started", from.display())));
            }
            // A person knows the program by where it came from.
            let named = |why: String| unsupported(why.replace(copy, &from.to_string_lossy()));
            let version = version_of(program, Path::new(copy)).map_err(named)?;
            if version.support() == Support::TooOld {
                return Err(unsupported(format!("{} has version {version}, and 1.10 is needed", from.display())));
            }
            versions.push(version);
        }
        let [version, jailer] = &versions[..] else { return Err(unsupported("a program is missing".to_owned())) };
        if version != jailer {
            return Err(unsupported(format!("Firecracker has version {version}, and its jailer {jailer}")));
        }
        let bytes = fs::read(paths::FIRECRACKER).during(|| "read Firecracker".to_owned())?;
        let identity = format!("firecracker {version} {}", hex(&Sha256::digest(&bytes)));
        Ok(Self { version: version.clone(), identity })
    }
}
