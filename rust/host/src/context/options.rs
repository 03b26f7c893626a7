//! The command line of `serve`.

use crate::error::note;
use std::path::PathBuf;

const USAGE: &str = "usage: microterm-host serve --data DIR --server-uid UID --instance NAME \
[--image-import DIR] [--qemu PATH] [--test-faults]";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The instance's data folder; `host` below it is the daemon's.
    pub data: PathBuf,
    /// The only uid, but root, that may connect, and the owner of the machines' sockets.
    pub server_uid: u32,
    /// `^[a-z0-9]{8}$`, part of the name of all that lies outside `data`.
    pub instance: String,
    /// A folder with an image, or with one image per subfolder.
    pub image_import: Option<PathBuf>,
    pub qemu: PathBuf,
    /// Whether `MICROTERM_FAULT` is heeded.
    pub test_faults: bool,
}

impl Options {
    /// # Errors
    /// What is missing, unknown or malformed, with the usage.
    pub fn parse(arguments: &[String]) -> Result<Self, String> {
        let (mut data, mut server_uid, mut instance) = (None, None, None);
        let (mut image_import, mut qemu, mut test_faults) = (None, PathBuf::from("/usr/bin/qemu-system-x86_64"), false);
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            if name == "--test-faults" {
                test_faults = true;
                continue;
            }
            let value = rest.next().ok_or_else(|| format!("{name} needs a value\n{USAGE}"))?;
            match name.as_str() {
                "--data" => data = Some(PathBuf::from(value)),
                "--server-uid" => {
                    server_uid = Some(value.parse().map_err(|_| format!("--server-uid {value}: not a uid"))?);
                }
                "--instance" => instance = Some(value.clone()),
                "--image-import" => image_import = Some(PathBuf::from(value)),
                "--qemu" => qemu = PathBuf::from(value),
                _ => return Err(format!("unknown option {name}\n{USAGE}")),
            }
        }
        let needed = |name: &str| format!("{name} is missing\n{USAGE}");
        let instance = instance.ok_or_else(|| needed("--instance"))?;
        if instance.len() != 8 || !instance.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) {
            return Err(format!("--instance {instance}: eight characters of a-z and 0-9 are needed"));
        }
        Ok(Self {
            data: data.ok_or_else(|| needed("--data"))?,
            server_uid: server_uid.ok_or_else(|| needed("--server-uid"))?,
            instance,
            image_import,
            qemu,
            test_faults,
        })
    }

    /// Like `parse`, but ends the process with status 2 when the line is wrong.
    pub fn parse_or_exit(arguments: &[String]) -> Self {
        Self::parse(arguments).unwrap_or_else(|fault| {
            note(fault);
            std::process::exit(2);
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn reads_a_whole_line() {
        let options = parse("--data /srv/x --server-uid 1000 --instance abcd1234 --qemu /q --test-faults").unwrap();
        assert_eq!((options.server_uid, options.qemu, options.test_faults), (1000, PathBuf::from("/q"), true));
    }

    #[test]
    fn refuses_what_is_missing_unknown_or_malformed() {
        assert!(parse("--data /srv/x --server-uid 1000").unwrap_err().contains("--instance"));
        assert!(parse("--data /srv/x --server-uid 1000 --instance ../x").unwrap_err().contains("eight"));
        assert!(parse("--data /srv/x --server-uid -1 --instance abcd1234").unwrap_err().contains("uid"));
        assert!(parse("--data /srv/x --shell /bin/sh").unwrap_err().contains("unknown"));
        assert!(parse("--data").unwrap_err().contains("needs a value"));
    }
}
