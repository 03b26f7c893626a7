//! A system call filter below the VMM's own: what no VMM needs and a guest that has broken out of it would want.
//! QEMU's `-sandbox` forbids starting programs and changing uid; this one forbids new namespaces, mounts, tracing,
//! sockets other than the unix sockets that were handed in (AF_VSOCK, for one, knows no network namespaces), and changes of
//! network devices. Firecracker's filters allow it a few calls and no more; they are its own, and this one is there before it
//! runs, since its jailer already runs below it.

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};
use std::collections::BTreeMap;
use std::io;

/// Refused with EPERM, whatever the arguments.
const NEVER: [i64; 27] = [
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
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
    libc::SYS_acct,
    libc::SYS_quotactl,
    // Its operations pass by every filter, sockets of any family among them; QEMU does without.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

/// Refused with EPERM as well, but to the jailer, which builds a jail by them. A process without capabilities has no use for them,
/// unless in a user namespace, and none is to be had.
const ENTERING: [i64; 7] = [
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mknod,
    libc::SYS_mknodat,
];

/// Flags of clone(2) that make a namespace.
const USER_NAMESPACE: u64 = libc::CLONE_NEWUSER as u64;
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

/// Firecracker opens its tap by its name.
const OPEN_TAP: u64 = libc::TUNSETIFF;
/// Of /dev/userfaultfd, of which the jailer makes a node where the host has one (USERFAULTFD_IOC_NEW): what userfaultfd(2)
/// gives, and for faults of the kernel's as well.
const NEW_USERFAULTFD: u64 = 0xaa00;

/// Marks a call of the x32 ABI, which some kernels accept from any program (arch/x86/entry/syscalls).
const X32: i64 = 0x4000_0000;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn build(rules: Rules, refusal: i32) -> Result<BpfProgram, seccompiler::Error> {
    let errno = SeccompAction::Errno(refusal.cast_unsigned());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, errno, TargetArch::x86_64)?;
    Ok(filter.try_into()?)
}

fn argument(number: u8, op: SeccompCmpOp, value: u64) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(number, SeccompCmpArgLen::Dword, op, value)
}

/// One rule for each set bit of a mask: "any of" cannot be asked for.
fn any_bit(mask: u64) -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    let bits = (0..64).map(|bit| 1u64 << bit).filter(|bit| mask & bit != 0);
    bits.map(|bit| SeccompRule::new(vec![argument(0, SeccompCmpOp::MaskedEq(bit), bit)?])).collect()
}

/// `below`: what runs below the filter from its first step on.
fn programs(below: Below) -> Result<[BpfProgram; 2], seccompiler::Error> {
    let (namespaces, opens_tap) = match below {
        Below::Vmm => (NAMESPACES, false),
        Below::Jailer => (USER_NAMESPACE, true),
    };
    let mut rules: Rules = NEVER.iter().map(|call| (*call, Vec::new())).collect();
    match below {
        Below::Vmm => rules.extend(ENTERING.iter().map(|call| (*call, Vec::new()))),
        Below::Jailer => drop(rules.insert(libc::SYS_unshare, any_bit(namespaces)?)),
    }
    let ioctl = DEVICE_REQUESTS.iter().map(|(mask, kind)| {
        let admitted = TAP_REQUESTS.iter().chain(opens_tap.then_some(&OPEN_TAP));
        let mut all = vec![argument(1, SeccompCmpOp::MaskedEq(*mask), *kind)?];
        for number in admitted.filter(|number| *number & mask == *kind) {
            all.push(argument(1, SeccompCmpOp::Ne, *number)?);
        }
        SeccompRule::new(all)
    });
    let mut ioctl = ioctl.collect::<Result<Vec<_>, _>>()?;
    ioctl.push(SeccompRule::new(vec![argument(1, SeccompCmpOp::Eq, NEW_USERFAULTFD)?])?);
    rules.insert(libc::SYS_clone, any_bit(namespaces)?);
    let family = argument(0, SeccompCmpOp::Ne, libc::AF_UNIX as u64)?;
    rules.insert(libc::SYS_socket, vec![SeccompRule::new(vec![family])?]);
    rules.insert(libc::SYS_ioctl, ioctl);
    let refused = rules.into_iter().flat_map(|(call, rules)| [(call | X32, rules.clone()), (call, rules)]).collect();
    // Its flags lie in memory where no filter sees them; told that there is no such call, libc falls back to clone.
    let absent = [libc::SYS_clone3, libc::SYS_clone3 | X32].into_iter().map(|call| (call, Vec::new())).collect();
    Ok([build(refused, libc::EPERM)?, build(absent, libc::ENOSYS)?])
}

/// What a filter is for.
#[derive(Clone, Copy)]
pub enum Below {
    /// A VMM, in a jail that is closed.
    Vmm,
    /// Firecracker's jailer, which closes the jail, and Firecracker.
    Jailer,
}

/// A filter, built where memory may be allocated.
pub struct Filter([BpfProgram; 2]);

impl Filter {
    /// # Errors
    /// A mistake in this file.
    pub fn new(below: Below) -> io::Result<Self> {
        programs(below).map(Self).map_err(io::Error::other)
    }

    /// Puts this thread, and what it becomes, under the filter.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn install(&self) -> io::Result<()> {
        self.0.iter().try_for_each(|program| seccompiler::apply_filter(program).map_err(io::Error::other))
    }
}
