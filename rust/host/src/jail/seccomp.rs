//! A system call filter below QEMU's own: what no VMM needs and a guest that has broken out of QEMU would want.
//! QEMU's `-sandbox` forbids starting programs and changing uid; this one forbids new namespaces, mounts, tracing,
//! sockets other than the unix sockets that were handed in (AF_VSOCK, for one, knows no network namespaces), and changes of
//! network devices.

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};
use std::collections::BTreeMap;
use std::io;

/// Refused with EPERM, whatever the arguments.
const NEVER: [i64; 34] = [
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_mknod,
    libc::SYS_mknodat,
    libc::SYS_acct,
    libc::SYS_quotactl,
    // Its operations pass by every filter, sockets of any family among them; QEMU does without.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

/// Flags of clone(2) that make a namespace.
const NAMESPACES: u64 = (libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP) as u64;

/// Requests of ioctl(2) on network devices: all of sockets (SIOC*, 0x89xx), and those of taps (TUN*, type T from 200 on)
/// but what QEMU uses. The kernel asks no capability of the holder of a tap for most of them.
const DEVICE_REQUESTS: [(u64, u64); 4] = [(0xff00, 0x8900), (0xfff8, 0x54c8), (0xfff0, 0x54d0), (0xffe0, 0x54e0)];
const TAP_REQUESTS: [u64; 6] = [
    libc::TUNGETFEATURES,
    libc::TUNSETOFFLOAD,
    libc::TUNGETIFF,
    libc::TUNGETVNETHDRSZ,
    libc::TUNSETVNETHDRSZ,
    // At each reset, to take a program away; to give one it would have to hold one, and bpf(2) is refused.
    libc::TUNSETSTEERINGEBPF,
];

/// Marks a call of the x32 ABI, which some kernels accept from any program (arch/x86/entry/syscalls).
const X32: i64 = 0x4000_0000;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn build(rules: Rules, refusal: i32) -> Result<BpfProgram, seccompiler::Error> {
    let errno = SeccompAction::Errno(refusal.cast_unsigned());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, errno, TargetArch::x86_64)?;
    Ok(filter.try_into()?)
}

fn programs() -> Result<[BpfProgram; 2], seccompiler::Error> {
    let mut refused: Rules =
        NEVER.iter().flat_map(|call| [*call, *call | X32]).map(|call| (call, Vec::new())).collect();
    let argument = |op, value| SeccompCondition::new(0, SeccompCmpArgLen::Dword, op, value);
    // The set bits of a mask cannot be asked for as "any of", so each is a rule of its own.
    let bits = (0..64).map(|bit| 1u64 << bit).filter(|bit| NAMESPACES & bit != 0);
    let clone = bits
        .map(|bit| SeccompRule::new(vec![argument(SeccompCmpOp::MaskedEq(bit), bit)?]))
        .collect::<Result<Vec<_>, _>>()?;
    let family = vec![SeccompRule::new(vec![argument(SeccompCmpOp::Ne, libc::AF_UNIX as u64)?])?];
    let request = |op, value| SeccompCondition::new(1, SeccompCmpArgLen::Dword, op, value);
    let ioctl = DEVICE_REQUESTS.iter().map(|(mask, kind)| {
        let admitted = TAP_REQUESTS.iter().filter(|number| *number & mask == *kind);
        let mut all = vec![request(SeccompCmpOp::MaskedEq(*mask), *kind)?];
        all.extend(admitted.map(|number| request(SeccompCmpOp::Ne, *number)).collect::<Result<Vec<_>, _>>()?);
        SeccompRule::new(all)
    });
    let ioctl = ioctl.collect::<Result<Vec<_>, _>>()?;
    for (call, rules) in [(libc::SYS_clone, clone), (libc::SYS_socket, family), (libc::SYS_ioctl, ioctl)] {
        refused.insert(call | X32, rules.clone());
        refused.insert(call, rules);
    }
    // Its flags lie in memory where no filter sees them; told that there is no such call, libc falls back to clone.
    let absent = [libc::SYS_clone3, libc::SYS_clone3 | X32].into_iter().map(|call| (call, Vec::new())).collect();
    Ok([build(refused, libc::EPERM)?, build(absent, libc::ENOSYS)?])
}

/// Puts this process, and what it becomes, under the filter.
///
/// # Errors
/// What the kernel refused.
pub fn install() -> io::Result<()> {
    for program in programs().map_err(io::Error::other)? {
        seccompiler::apply_filter(&program).map_err(io::Error::other)?;
    }
    Ok(())
}
