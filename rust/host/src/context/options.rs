//! The command line of `serve`.

use crate::error::note;
use crate::network::Settings;
use crate::network::addresses::Cidr;
use crate::vmm::firecracker::Programs;
use std::path::PathBuf;

const USAGE: &str = "usage: microterm-host serve --data DIR --server-uid UID --instance NAME \
[--image-import DIR] [--qemu PATH] [--firecracker PATH --jailer PATH] [--slots N [--uplink DEVICE] [--allow-private CIDR]…] [--test-faults]";
/// Most slots that may be kept ready.
const MOST_READY: u32 = 256;

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
    /// `None`: machines run on QEMU alone.
    pub firecracker: Option<Programs>,
    /// `None`: guests have their loopback alone.
    pub network: Option<Settings>,
    /// Whether `MICROTERM_FAULT` is heeded.
    pub test_faults: bool,
}

impl Options {
    /// # Errors
    /// What is missing, unknown or malformed, with the usage.
    pub fn parse(arguments: &[String]) -> Result<Self, String> {
        let (mut data, mut server_uid, mut instance) = (None, None, None);
        let (mut image_import, mut qemu, mut test_faults) = (None, PathBuf::from("/usr/bin/qemu-system-x86_64"), false);
        let (mut firecracker, mut jailer) = (None, None);
        let (mut slots, mut network) = (None, Settings::default());
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
                "--slots" => slots = Some(ready(value)?),
                "--uplink" => network.uplink = Some(device(value)?),
                "--allow-private" => {
                    let cidr = Cidr::try_from(value.clone()).map_err(|why| format!("--allow-private {why}"))?;
                    network.allow_private.push(cidr);
                }
                "--firecracker" => firecracker = Some(PathBuf::from(value)),
                "--jailer" => jailer = Some(PathBuf::from(value)),
                "--qemu" => qemu = PathBuf::from(value),
                _ => return Err(format!("unknown option {name}\n{USAGE}")),
            }
        }
        if slots.is_none() && network != Settings::default() {
            return Err(format!("--uplink and --allow-private are for a network, which --slots asks for\n{USAGE}"));
        }
        let firecracker = match (firecracker, jailer) {
            (None, None) => None,
            (Some(firecracker), Some(jailer)) => Some(Programs { firecracker, jailer }),
            _ => return Err(format!("--firecracker and --jailer go together\n{USAGE}")),
        };
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
            firecracker,
            network: slots.map(|slots| Settings { slots, ..network }),
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

fn ready(value: &str) -> Result<u32, String> {
    let number = value.parse().ok().filter(|number| (1..=MOST_READY).contains(number));
    number.ok_or_else(|| format!("--slots {value}: a number from 1 to {MOST_READY} is needed"))
}

/// A device's name, as it may stand in a rule (netdevice(7): below 16 bytes).
fn device(name: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:@+".contains(&byte);
    if (1..16).contains(&name.len()) && name.bytes().all(is_plain) && !name.starts_with('.') {
        Ok(name.to_owned())
    } else {
        Err(format!("--uplink {name}: no name of a network device"))
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
    fn firecracker_comes_with_its_jailer() {
        let base = "--data /srv/x --server-uid 1000 --instance abcd1234";
        let paths = Programs { firecracker: "/f".into(), jailer: "/j".into() };
        assert_eq!(parse(&format!("{base} --firecracker /f --jailer /j")).unwrap().firecracker, Some(paths));
        assert!(parse(&format!("{base} --firecracker /f")).unwrap_err().contains("go together"));
    }

    #[test]
    fn reads_what_the_operator_says_of_the_network() {
        let base = "--data /srv/x --server-uid 1000 --instance abcd1234";
        assert_eq!(parse(base).unwrap().network, None);
        let line = format!("{base} --slots 4 --uplink eth0.100 --allow-private 10.1.0.0/16 --allow-private 10.9.9.9");
        let network = parse(&line).unwrap().network.unwrap();
        assert_eq!((network.slots, network.uplink.as_deref()), (4, Some("eth0.100")));
        let allowed: Vec<_> = network.allow_private.iter().map(ToString::to_string).collect();
        assert_eq!(allowed, ["10.1.0.0/16", "10.9.9.9/32"]);
        for (wrong, why) in [
            ("--slots 0", "1 to 256"),
            ("--slots 257", "1 to 256"),
            ("--uplink eth0", "for a network"),
            ("--slots 1 --uplink ../x", "no name"),
            ("--slots 1 --allow-private 10.0.0.1/8", "10.0.0.0/8 is the network"),
        ] {
            let refused = parse(&format!("{base} {wrong}")).unwrap_err();
            assert!(refused.contains(why), "{wrong}: {refused}");
        }
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
