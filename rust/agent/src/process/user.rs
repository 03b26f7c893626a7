//! The user that programs and file calls act as. `/etc/passwd` is read by hand: a static program cannot load NSS modules.

use std::io;
use std::path::{Path, PathBuf};

use crate::process::tenant_file::{look_up, read};

/// The uid of the user `dev` in a guest.
pub const DEV_UID: u32 = 1000;

/// Bytes read of passwd(5) and of group(5).
const MAX_FILE: u64 = 1 << 20;

#[derive(Clone, Debug)]
pub struct User {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    /// Supplementary groups, the primary one included.
    pub groups: Vec<u32>,
    pub home: PathBuf,
    pub shell: PathBuf,
    /// Whether programs must change to this user; false where the agent runs as it already.
    pub switch: bool,
}

impl User {
    /// Looks a user up in passwd(5) and group(5).
    pub fn by_uid(uid: u32, switch: bool) -> Option<User> {
        let passwd = read(Path::new("/etc/passwd"), MAX_FILE)?;
        let line = passwd.lines().find(|line| line.split(':').nth(2) == Some(&uid.to_string()))?;
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, _, gid, _, home, shell] = fields[..] else { return None };
        let gid = gid.parse().ok()?;
        Some(User {
            name: name.to_owned(),
            uid,
            gid,
            groups: groups_of(name, gid),
            home: home.into(),
            shell: if shell.is_empty() { "/bin/sh".into() } else { shell.into() },
            switch,
        })
    }

    /// Looks root up; where that takes too long, root is as Debian makes it.
    pub async fn root() -> User {
        look_up(|| User::by_uid(0, true)).await.flatten().unwrap_or_else(|| User {
            name: "root".into(),
            uid: 0,
            gid: 0,
            groups: vec![0],
            home: "/root".into(),
            shell: "/bin/bash".into(),
            switch: true,
        })
    }

    /// The user the agent itself runs as, for the process mode.
    pub fn own(home: Option<PathBuf>) -> User {
        let uid = nix::unistd::getuid().as_raw();
        let mut user = User::by_uid(uid, false).unwrap_or_else(|| User {
            name: uid.to_string(),
            uid,
            gid: nix::unistd::getgid().as_raw(),
            groups: Vec::new(),
            home: "/".into(),
            shell: "/bin/sh".into(),
            switch: false,
        });
        if let Some(home) = home {
            user.home = home;
        }
        user
    }

    /// Makes file accesses of the calling thread those of this user, for good. Only the file-system ids change, so that
    /// the user's programs may still not signal or trace this thread.
    pub fn adopt_files(&self) -> io::Result<()> {
        if !self.switch {
            return Ok(());
        }
        // The raw calls change this thread only; glibc's wrapper of setgroups changes all threads.
        // SAFETY: plain system calls; the pointer and length describe a live vector, and they change no memory.
        unsafe {
            if libc::syscall(libc::SYS_setgroups, self.groups.len(), self.groups.as_ptr()) != 0 {
                return Err(io::Error::last_os_error());
            }
            libc::syscall(libc::SYS_setfsgid, self.gid);
            libc::syscall(libc::SYS_setfsuid, self.uid);
            // setfsuid(2) reports no error; asking with an invalid id answers the one in force.
            if libc::syscall(libc::SYS_setfsuid, u32::MAX) as u32 != self.uid {
                return Err(io::Error::from_raw_os_error(libc::EPERM));
            }
        }
        Ok(())
    }
}

fn groups_of(name: &str, primary: u32) -> Vec<u32> {
    let mut groups = vec![primary];
    for line in read(Path::new("/etc/group"), MAX_FILE).unwrap_or_default().lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let [_, _, gid, members] = fields[..] else { continue };
        if members.split(',').any(|member| member == name)
            && let Ok(gid) = gid.parse()
            && !groups.contains(&gid)
        {
            groups.push(gid);
        }
    }
    groups
}
