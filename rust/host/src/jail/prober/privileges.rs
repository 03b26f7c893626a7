//! Capabilities, namespaces and limits.

use crate::attempt::{Attempts, holds, outcome};
use microterm_host::jail_layout;
use std::io::Error;

pub fn gain_capability(is_jailers: bool) -> Attempts {
    // A process of no user namespace but the first gets none of them by any program: new privileges are forbidden.
    let may_be_bounding = |number: &i32| is_jailers && jail_layout::JAILER_CAPABILITIES.contains(number);
    // struct __user_cap_header_struct and two of __user_cap_data_struct, version 3 (capget(2)).
    let mut header = [0x2008_0522_u32, 0];
    let mut data = [0_u32; 6];
    let all = [u32::MAX; 6];
    // SAFETY: the buffers have the sizes that version 3 lays down; the set*id calls take plain numbers.
    unsafe {
        let got = libc::syscall(libc::SYS_capget, header.as_mut_ptr(), data.as_mut_ptr());
        vec![
            ("hold any".to_owned(), holds(got == 0 && data == [0; 6], "none held")),
            (
                "bounding set".to_owned(),
                holds(
                    (0..41)
                        .filter(|number| !may_be_bounding(number))
                        .all(|number| libc::prctl(libc::PR_CAPBSET_READ, number, 0, 0, 0) != 1),
                    if is_jailers { "the jailer's, of which nothing comes" } else { "empty" },
                ),
            ),
            ("take all".to_owned(), outcome(libc::syscall(libc::SYS_capset, header.as_mut_ptr(), all.as_ptr()))),
            ("setuid 0".to_owned(), outcome(libc::setresuid(0, 0, 0))),
            ("setgid 0".to_owned(), outcome(libc::setresgid(0, 0, 0))),
            ("setgroups".to_owned(), outcome(libc::setgroups(1, [0].as_ptr()))),
            (
                "new privileges by exec".to_owned(),
                holds(libc::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1, "forbidden"),
            ),
        ]
    }
}

pub fn make_namespace() -> Attempts {
    let target = c"/";
    // SAFETY: unshare takes a number, mount and chroot nul-terminated strings that live through the call.
    unsafe {
        vec![
            ("user namespace".to_owned(), outcome(libc::unshare(libc::CLONE_NEWUSER))),
            ("network namespace".to_owned(), outcome(libc::unshare(libc::CLONE_NEWNET))),
            (
                "mount".to_owned(),
                outcome(libc::mount(
                    target.as_ptr(),
                    target.as_ptr(),
                    std::ptr::null(),
                    libc::MS_BIND,
                    std::ptr::null(),
                )),
            ),
            ("chroot".to_owned(), outcome(libc::chroot(target.as_ptr()))),
        ]
    }
}

pub fn raise_limits() -> Attempts {
    use nix::sys::resource::{Resource, setrlimit};
    let raise = |what| setrlimit(what, 1 << 40, 1 << 40).map_err(Error::from);
    vec![
        ("RLIMIT_FSIZE".to_owned(), raise(Resource::RLIMIT_FSIZE)),
        ("RLIMIT_NPROC".to_owned(), raise(Resource::RLIMIT_NPROC)),
        ("RLIMIT_CORE".to_owned(), raise(Resource::RLIMIT_CORE)),
    ]
}
