//! Which Firecracker it is.

use crate::deadline;
use std::fmt;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long a program may take to say its version.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Between two looks at whether it has ended.
const STEP: Duration = Duration::from_millis(1);
/// More than either program prints, in bytes.
const LONGEST: u64 = 4096;
/// Of the part behind the numbers, in bytes.
const LONGEST_SUFFIX: usize = 32;
/// The first minor version that this is written for, and the one that it is tested with.
const OLDEST: (u32, u32) = (1, 10);
const TESTED: (u32, u32, u32) = (1, 12, 1);

/// As `1.12.1`, or `1.13.0-dev` of one that is no release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    numbers: (u32, u32, u32),
    suffix: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    Tested,
    /// Written for, and never tried.
    Untested,
    TooOld,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    Firecracker,
    Jailer,
}

impl Program {
    fn name(self) -> &'static str {
        match self {
            Self::Firecracker => "Firecracker",
            Self::Jailer => "Jailer",
        }
    }
}

impl Version {
    pub fn parse(text: &str) -> Option<Self> {
        let (numbers, suffix) = match text.split_once('-') {
            Some((numbers, suffix)) => (numbers, Some(suffix)),
            None => (text, None),
        };
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
        if suffix.is_some_and(|s| s.is_empty() || s.len() > LONGEST_SUFFIX || !s.bytes().all(is_plain)) {
            return None;
        }
        let mut numbers = numbers.split('.').map(number);
        let found = (numbers.next()??, numbers.next()??, numbers.next()??);
        numbers.next().is_none().then(|| Self { numbers: found, suffix: suffix.map(str::to_owned) })
    }

    pub fn is_at_least(&self, major: u32, minor: u32) -> bool {
        (self.numbers.0, self.numbers.1) >= (major, minor)
    }

    pub fn support(&self) -> Support {
        if !self.is_at_least(OLDEST.0, OLDEST.1) {
            Support::TooOld
        } else if self.numbers == TESTED && self.suffix.is_none() {
            Support::Tested
        } else {
            Support::Untested
        }
    }
}

fn number(digits: &str) -> Option<u32> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor, patch) = self.numbers;
        write!(f, "{major}.{minor}.{patch}")?;
        self.suffix.as_ref().map_or(Ok(()), |suffix| write!(f, "-{suffix}"))
    }
}

/// Runs a program with `--version`.
///
/// # Errors
/// Why there is no version, for a person: the program is not there, is another one, or does not end.
pub fn version_of(program: Program, binary: &Path) -> Result<Version, String> {
    let said = output(binary, TIMEOUT).map_err(|error| format!("{} --version: {error}", binary.display()))?;
    let text = String::from_utf8_lossy(&said);
    let line = text.lines().next().unwrap_or_default();
    let version = line.strip_prefix(program.name()).and_then(|rest| rest.strip_prefix(" v"));
    let version = version.and_then(|version| Version::parse(version.trim_end()));
    version.ok_or_else(|| format!("{} does not say that it is a {}", binary.display(), program.name()))
}

/// The beginning of what it prints, once it has ended.
fn output(binary: &Path, timeout: Duration) -> io::Result<Vec<u8>> {
    let until = Instant::now() + deadline::of(timeout);
    // A socket, of which reads can have a deadline.
    let (ours, theirs) = UnixStream::pair()?;
    let mut child = Command::new(binary)
        .arg("--version")
        .env_clear()
        .stdin(Stdio::null())
        .stdout(OwnedFd::from(theirs))
        .stderr(Stdio::null())
        .spawn()?;
    let said = read(&ours, until).and_then(|said| wait(&mut child, until).map(|status| (said, status)));
    if said.is_err() {
        let _ = child.kill();
        let _ = child.wait();
    }
    match said? {
        (said, status) if status.success() => Ok(said),
        (_, status) => Err(io::Error::other(status.to_string())),
    }
}

fn read(mut from: &UnixStream, until: Instant) -> io::Result<Vec<u8>> {
    let mut said = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        from.set_read_timeout(Some(left(until)?))?;
        match from.read(&mut buffer) {
            Ok(0) => return Ok(said),
            Ok(read) => said.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(late()),
            Err(error) => return Err(error),
        }
        if said.len() as u64 > LONGEST {
            return Err(io::Error::other("it says more than a version"));
        }
    }
}

fn wait(child: &mut Child, until: Instant) -> io::Result<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        left(until)?;
        std::thread::sleep(STEP);
    }
}

fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(late()) } else { Ok(left) }
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "it did not end in time")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn is_three_numbers_and_perhaps_a_suffix() {
        for (text, support) in [
            ("1.12.1", Support::Tested),
            ("1.12.1-dev", Support::Untested),
            ("1.12.0", Support::Untested),
            ("1.10.0", Support::Untested),
            ("2.0.0", Support::Untested),
            ("1.9.1", Support::TooOld),
            ("0.25.2", Support::TooOld),
        ] {
            let version = Version::parse(text).unwrap();
            assert_eq!((version.to_string().as_str(), version.support()), (text, support));
        }
        for text in ["", "1", "1.12", "1.12.1.0", "1.12.x", "1.+12.1", " 1.12.1", "1.12.1-", "1.12.1-\u{1b}[2J"] {
            assert_eq!(Version::parse(text), None, "{text:?}");
        }
        assert_eq!(Version::parse(&format!("1.12.1-{}", "x".repeat(99))), None);
        assert_eq!(Version::parse("1.99999999999.1"), None);
    }

    /// What a script in the program's place comes to.
    fn script(lines: &str, timeout: Duration) -> io::Result<Vec<u8>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        fs::write(&path, format!("#!/bin/sh\n{lines}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        loop {
            match output(&path, timeout) {
                // Another test's fork had it open for writing.
                Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {}
                done => return done,
            }
        }
    }

    #[test]
    fn a_program_that_does_not_end_talks_too_much_or_fails_is_an_error() {
        const LONG: Duration = Duration::from_mins(1);
        const SHORT: Duration = Duration::from_millis(200);
        assert_eq!(script("echo Firecracker v1.12.1", LONG).unwrap(), b"Firecracker v1.12.1\n");
        let error = |lines, timeout| script(lines, timeout).unwrap_err().to_string();
        assert!(error("exec sleep 60", SHORT).contains("in time"));
        assert!(error("exec >&-; exec sleep 60", SHORT).contains("in time"));
        assert!(error("while echo x; do :; done", LONG).contains("more than a version"));
        assert!(error("exit 7", LONG).contains('7'));
    }

    #[test]
    fn another_program_is_named() {
        let missing = version_of(Program::Firecracker, Path::new("/nowhere/firecracker")).unwrap_err();
        assert!(missing.contains("/nowhere/firecracker") && missing.contains("No such file"), "{missing}");
        let other = version_of(Program::Jailer, Path::new("/bin/true")).unwrap_err();
        assert!(other.contains("/bin/true does not say that it is a Jailer"), "{other}");
    }

    #[test]
    fn the_real_programs_say_theirs() {
        let programs = [("MICROTERM_FIRECRACKER", Program::Firecracker), ("MICROTERM_JAILER", Program::Jailer)];
        for (variable, program) in programs {
            let Ok(binary) = std::env::var(variable) else {
                eprintln!("skipped: {variable} is not set");
                continue;
            };
            assert_ne!(version_of(program, Path::new(&binary)).unwrap().support(), Support::TooOld);
        }
    }
}
