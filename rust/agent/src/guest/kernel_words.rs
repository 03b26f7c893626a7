//! What the host tells the guest on the kernel's command line: words of `microterm.NAME=VALUE`. Other words are the
//! kernel's, and so are names that this agent does not know.

/// The longest name of a drive: as long as a virtio serial.
const MAX_DRIVE_NAME: usize = 20;
/// `vda` to `vdz`.
const MAX_DRIVES: usize = 26;
/// vsock(7): the port that stands for any.
const ANY_PORT: u32 = libc::VMADDR_PORT_ANY;

/// How the machine is ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Off {
    /// As the machine has it: a power-off by ACPI, or else a reset.
    #[default]
    Found,
    /// A reset, for a VMM that offers ACPI without a power-off: the guest would halt for ever.
    Reset,
    /// The exit of PID 1, which ends a pod.
    Exit,
}

#[derive(Debug, PartialEq, Eq)]
pub struct KernelWords {
    /// `magic`: what sessions on the channel begin with.
    pub channel_key: [u8; 16],
    /// `vsock`: the port that the channel is on, instead of virtio-serial.
    pub vsock_port: Option<u32>,
    /// `drives`: what the virtio block devices are, in their order, where they have no serial.
    pub drives: Vec<String>,
    pub off: Off,
}

impl KernelWords {
    /// Says what is wrong with which word.
    pub fn parse(cmdline: &str) -> Result<KernelWords, String> {
        let word = |name| Word::find(cmdline, name);
        let channel_key = word("magic")?.required("of 32 hex digits", channel_key)?;
        let vsock_port = word("vsock")?.optional("a port", vsock_port)?;
        let drives = word("drives")?.optional("different names of a to z with commas", drives)?.unwrap_or_default();
        let off = word("off")?.optional("reset", off)?.unwrap_or_default();
        Ok(KernelWords { channel_key, vsock_port, drives, off })
    }
}

struct Word<'a> {
    name: &'static str,
    value: Option<&'a str>,
}

impl<'a> Word<'a> {
    fn find(cmdline: &'a str, name: &'static str) -> Result<Word<'a>, String> {
        let mut values = cmdline
            .split_ascii_whitespace()
            .filter_map(|word| word.strip_prefix("microterm.")?.strip_prefix(name)?.strip_prefix('='));
        match (values.next(), values.next()) {
            (value, None) => Ok(Word { name, value }),
            (_, Some(_)) => Err(format!("microterm.{name} is on the kernel's command line more than once")),
        }
    }

    fn required<T>(self, what: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, String> {
        let name = self.name;
        let missing = || format!("no microterm.{name} {what} on the kernel's command line");
        self.value.and_then(parse).ok_or_else(missing)
    }

    fn optional<T>(self, what: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, String> {
        let Some(value) = self.value else { return Ok(None) };
        let wrong = || format!("microterm.{} on the kernel's command line is not {what}: {value:?}", self.name);
        parse(value).map(Some).ok_or_else(wrong)
    }
}

fn channel_key(digits: &str) -> Option<[u8; 16]> {
    if digits.len() != 32 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    Some(u128::from_str_radix(digits, 16).ok()?.to_be_bytes())
}

fn vsock_port(digits: &str) -> Option<u32> {
    // Written as it is printed: without a sign and leading zeros.
    let port = digits.parse().ok().filter(|port: &u32| port.to_string() == digits)?;
    (port != 0 && port != ANY_PORT).then_some(port)
}

fn drives(list: &str) -> Option<Vec<String>> {
    let names: Vec<&str> = list.split(',').collect();
    let is_name =
        |name: &&str| (1..=MAX_DRIVE_NAME).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_new = |at: usize| !names[..at].contains(&names[at]);
    let is_list = names.len() <= MAX_DRIVES && names.iter().all(is_name) && (0..names.len()).all(is_new);
    is_list.then(|| names.into_iter().map(str::to_owned).collect())
}

fn off(value: &str) -> Option<Off> {
    (value == "reset").then_some(Off::Reset)
}

#[cfg(test)]
mod tests {
    use super::{KernelWords, Off};

    const KEY: &str = "microterm.magic=00112233445566778899aabbccddeeff";

    fn parse(words: &str) -> Result<KernelWords, String> {
        KernelWords::parse(&format!("quiet {KEY} panic=-1 {words}\n"))
    }

    #[test]
    fn the_channel_key_is_thirty_two_hex_digits() {
        assert_eq!(parse("").unwrap().channel_key[15], 0xff);
        for wrong in
            ["quiet", &KEY[..KEY.len() - 1], "microterm.magic=+0112233445566778899aabbccddeeff", "microterm.magic="]
        {
            let error = KernelWords::parse(wrong).unwrap_err();
            assert_eq!(error, "no microterm.magic of 32 hex digits on the kernel's command line");
        }
    }

    #[test]
    fn without_further_words_the_machine_is_as_it_is_found() {
        let words = parse("reboot=t microterm.later=1 microterm.vsocket=x vsock=1 xmicroterm.off=x").unwrap();
        assert_eq!((words.vsock_port, words.drives, words.off), (None, vec![], Off::Found));
    }

    #[test]
    fn a_machine_without_serials_and_power_off_is_described() {
        let words = parse("microterm.drives=base,disk microterm.vsock=1024 microterm.off=reset").unwrap();
        assert_eq!((words.vsock_port, words.off), (Some(1024), Off::Reset));
        assert_eq!(words.drives, ["base", "disk"]);
    }

    #[test]
    fn what_is_not_well_formed_is_named() {
        let long = format!("drives={}", "a".repeat(21));
        let many =
            format!("drives={}", ('a'..='z').map(String::from).chain(["aa".into()]).collect::<Vec<_>>().join(","));
        for wrong in [
            "vsock=",
            "vsock=0",
            "vsock=01",
            "vsock=+1",
            "vsock=-1",
            "vsock=0x1",
            "vsock=4294967295",
            "vsock=4294967296",
            "drives=",
            "drives=,",
            "drives=base,",
            "drives=base,,disk",
            "drives=base,base",
            "drives=Base",
            "drives=a/b",
            &long,
            &many,
            "off=",
            "off=Reset",
            "off=halt",
        ] {
            let (name, value) = wrong.split_once('=').unwrap();
            let error = parse(&format!("microterm.{wrong}")).unwrap_err();
            assert!(error.starts_with(&format!("microterm.{name} on the kernel's command line is not ")), "{error}");
            assert!(error.ends_with(&format!(": {value:?}")), "{error}");
        }
    }

    #[test]
    fn a_word_given_twice_is_refused() {
        for name in ["magic", "vsock", "drives", "off"] {
            let error = parse(&format!("microterm.{name}=1 microterm.{name}=1")).unwrap_err();
            assert_eq!(error, format!("microterm.{name} is on the kernel's command line more than once"));
        }
    }
}
