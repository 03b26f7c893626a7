//! A host and an internet that are namespaces of the test, without a name: they end with it. Nothing that is sent here leaves
//! them. A guest is a namespace as well, whose frames are carried to the tap of a slot.

use super::{Host, until};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns, unshare};
use serde_json::json;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(20);
/// On loopback of the internet: public ones, and some that no guest may reach though they are there.
pub const PUBLIC: [&str; 3] = ["9.9.9.9", "8.8.4.4", "1.2.3.4"];
pub const FORBIDDEN: [&str; 9] = [
    "10.9.9.9",
    "100.64.0.9",
    "169.254.169.254",
    "172.16.9.9",
    "192.0.2.9",
    "192.168.9.9",
    "198.18.0.9",
    "203.0.113.9",
    "168.63.129.16",
];
/// The host's, on its uplink.
pub const HOST: &str = "5.5.5.2";

/// It was not reached, and that was said at once by a packet: a reset, or ICMP's "administratively prohibited".
pub fn refused<T>(outcome: io::Result<T>, what: &str) {
    let error = outcome.err().unwrap_or_else(|| panic!("{what} was reached"));
    let kind = error.kind();
    assert!(matches!(kind, io::ErrorKind::ConnectionRefused | io::ErrorKind::HostUnreachable), "{what}: {error}");
}

fn own_namespace() -> OwnedFd {
    File::open("/proc/thread-self/ns/net").unwrap().into()
}

fn new_namespace() -> Arc<OwnedFd> {
    let made = std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        own_namespace()
    });
    Arc::new(made.join().unwrap())
}

/// Does something in a namespace, in a thread of its own.
pub fn within<T: Send>(namespace: &OwnedFd, work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            setns(namespace.as_fd(), CloneFlags::CLONE_NEWNET).unwrap();
            work()
        });
        thread.join().unwrap()
    })
}

/// What a program says in a namespace.
pub fn run(namespace: &OwnedFd, program: &str, arguments: &[&str]) -> String {
    let output = within(namespace, || Command::new(program).args(arguments).output().unwrap());
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

pub fn ip(namespace: &OwnedFd, lines: &str) {
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        run(namespace, "ip", &line.split(' ').collect::<Vec<_>>());
    }
}

pub struct World {
    pub host: Host,
    pub root: Arc<OwnedFd>,
    pub internet: Arc<OwnedFd>,
}

impl World {
    /// Both, and a daemon that is yet to be started with so many slots.
    pub fn prepare(slots: u32, more: &[&str]) -> Self {
        let (root, internet) = (new_namespace(), new_namespace());
        let there = format!("/proc/{}/fd/{}", std::process::id(), internet.as_raw_fd());
        ip(
            &root,
            &format!(
                "link set lo up
                 link add eth0 type veth peer name inet0 netns {there}
                 address add {HOST}/24 dev eth0
                 link set eth0 up"
            ),
        );
        ip(&internet, "link set lo up\naddress add 5.5.5.1/24 dev inet0\nlink set inet0 up");
        for address in PUBLIC.iter().chain(&FORBIDDEN) {
            ip(&internet, &format!("address add {address}/32 dev lo"));
        }
        ip(&root, "route add default via 5.5.5.1");
        for port in [80, 443] {
            serve_tcp(&internet, port);
        }
        serve_tcp(&root, 22);
        serve_udp(&internet, &format!("{}:53", PUBLIC[0]));
        let mut host = Host::prepare();
        let mut arguments = vec!["--slots".to_owned(), slots.to_string()];
        arguments.extend(more.iter().map(|word| (*word).to_owned()));
        host.network = Some((Arc::clone(&root), arguments));
        Self { host, root, internet }
    }

    pub fn start(slots: u32) -> Self {
        let mut world = Self::prepare(slots, &[]);
        world.host.run(None);
        world
    }

    pub fn policy(&self, machine: &str, policy: &serde_json::Value) -> Vec<u64> {
        let answer = self.host.call("network.policy", json!({ "machineId": machine, "policy": policy }));
        answer["marks"].as_array().unwrap().iter().map(|mark| mark.as_u64().unwrap()).collect()
    }

    /// Attaches a slot and plugs a guest in.
    pub fn guest(&self, machine: &str) -> Guest {
        let attached = self.host.call("network.attach", json!({ "machineId": machine }));
        Guest::new(&self.slot(attached["slot"].as_str().unwrap()), &attached)
    }

    pub fn join(&self, machine: &str, network: &str) -> serde_json::Value {
        self.host.call("network.join", json!({ "machineId": machine, "network": network }))
    }

    /// A guest in a shared network, with a server of its own, and its address there.
    pub fn member(&self, machine: &str, network: &str) -> (Guest, String) {
        let guest = self.guest(machine);
        let address = guest.readdress(&self.join(machine, network));
        serve_tcp(&guest.namespace, 80);
        (guest, address)
    }

    /// A slot's namespace.
    pub fn slot(&self, name: &str) -> OwnedFd {
        File::open(format!("/run/netns/microterm-{}-{name}", self.host.instance)).unwrap().into()
    }

    pub fn slot_of(&self, machine: &str) -> OwnedFd {
        let attached = self.host.call("network.attach", json!({ "machineId": machine }));
        self.slot(attached["slot"].as_str().unwrap())
    }

    pub fn usage(&self, machine: &str) -> serde_json::Value {
        self.host.call("network.usage", json!({ "machineId": machine }))
    }
}

/// Says who has connected, and then what it is told.
pub fn serve_tcp(namespace: &OwnedFd, port: u16) {
    let listener = within(namespace, || TcpListener::bind(("0.0.0.0", port)).unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let peer = stream.peer_addr()?.ip();
                writeln!(stream, "{peer}")?;
                io::copy(&mut stream.try_clone()?, &mut stream)
            });
        }
    });
}

fn serve_udp(namespace: &OwnedFd, address: &str) {
    let socket = within(namespace, || UdpSocket::bind(address).unwrap());
    std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((read, from)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(&buffer[..read], from);
        }
    });
}

/// A tap of the thread's namespace, which is made where there is none.
pub fn open_tap(name: &str, has_header: bool) -> io::Result<File> {
    let file = File::options().read(true).write(true).open("/dev/net/tun").unwrap();
    attach(&file, name, has_header)?;
    Ok(file)
}

/// Attaches an open `/dev/net/tun` to a tap of the namespace that it was opened in.
pub fn attach(file: &File, name: &str, has_header: bool) -> io::Result<()> {
    let header = if has_header { libc::IFF_VNET_HDR } else { 0 };
    // SAFETY: all zeros is a valid ifreq, and it lives through the call.
    let attached = unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
            *to = from.cast_signed();
        }
        request.ifr_ifru.ifru_flags = i16::try_from(libc::IFF_TAP | libc::IFF_NO_PI | header).unwrap();
        libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw const request)
    };
    if attached == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Has the kernel leave to a tap what virtio-net's devices take: checksums, and TCP segments that are to be cut.
fn offload(tap: &File) {
    let offloads: libc::c_ulong = (libc::TUN_F_CSUM | libc::TUN_F_TSO4).into();
    // SAFETY: the argument is a plain number.
    assert_eq!(unsafe { libc::ioctl(tap.as_raw_fd(), libc::TUNSETOFFLOAD, offloads) }, 0);
}

pub struct Guest {
    pub namespace: Arc<OwnedFd>,
    /// The slot's.
    pub tap: Arc<File>,
    is_over: Arc<AtomicBool>,
    carriers: Vec<JoinHandle<()>>,
}

impl Guest {
    fn new(slot: &OwnedFd, attached: &serde_json::Value) -> Self {
        Self::plug(within(slot, || open_tap("tap0", false)).unwrap(), attached, false)
    }

    /// Its frames are carried to this tap, with headers of virtio-net where it has these.
    pub fn plug(tap: File, attached: &serde_json::Value, has_header: bool) -> Self {
        let namespace = new_namespace();
        let tap = Arc::new(tap);
        let device = Arc::new(within(&namespace, || open_tap("eth0", has_header)).unwrap());
        if has_header {
            offload(&tap);
            offload(&device);
        }
        let of = |name: &str| attached[name].as_str().unwrap();
        ip(
            &namespace,
            &format!(
                "link set lo up
                 link set eth0 address {} mtu {}
                 address add {}/{} dev eth0
                 link set eth0 up
                 route add default via {} dev eth0 onlink",
                of("macAddress"),
                attached["mtu"],
                of("address"),
                attached["prefixLength"],
                of("gateway")
            ),
        );
        let is_over = Arc::new(AtomicBool::new(false));
        let carriers = [(&device, &tap), (&tap, &device)].map(|(from, to)| {
            let (from, to, is_over) = (Arc::clone(from), Arc::clone(to), Arc::clone(&is_over));
            std::thread::spawn(move || carry(&from, &to, &is_over))
        });
        Self { namespace, tap, is_over, carriers: carriers.into() }
    }

    /// Has the guest be told of another address, as its agent is. Answers with it.
    pub fn readdress(&self, attached: &serde_json::Value) -> String {
        let of = |name: &str| attached[name].as_str().unwrap();
        ip(
            &self.namespace,
            &format!(
                "address flush dev eth0
                 address add {}/{} dev eth0
                 route replace default via {} dev eth0 onlink",
                of("address"),
                attached["prefixLength"],
                of("gateway")
            ),
        );
        of("address").to_owned()
    }

    pub fn tcp(&self, address: &str) -> io::Result<Connection> {
        let address: SocketAddr = address.parse().unwrap();
        let stream = within(&self.namespace, || TcpStream::connect_timeout(&address, TIMEOUT))?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        let mut connection = Connection { stream, peer: String::new() };
        connection.peer = connection.line()?;
        Ok(connection)
    }

    /// What becomes of a datagram, which is answered or refused.
    pub fn udp(&self, address: &str) -> io::Result<()> {
        let socket = within(&self.namespace, || UdpSocket::bind("0.0.0.0:0").unwrap());
        socket.set_read_timeout(Some(TIMEOUT))?;
        socket.connect(address)?;
        socket.send(b"hello")?;
        socket.recv(&mut [0; 64]).map(|_| ())
    }

    /// Sends an echo request (RFC 792) and waits for the answer.
    pub fn ping(&self, address: &str) -> io::Result<()> {
        let socket = within(&self.namespace, || {
            // SAFETY: socket takes plain numbers, and what it answers with is nobody else's.
            unsafe {
                OwnedFd::from_raw_fd(libc::socket(
                    libc::AF_INET,
                    libc::SOCK_RAW | libc::SOCK_CLOEXEC,
                    libc::IPPROTO_ICMP,
                ))
            }
        });
        let socket = UdpSocket::from(socket);
        socket.set_read_timeout(Some(TIMEOUT))?;
        socket.connect((address, 0))?;
        socket.send(&[8, 0, 0xf7, 0xff, 0, 0, 0, 0])?;
        let mut packet = [0; 128];
        loop {
            let read = socket.recv(&mut packet)?;
            if read >= 28 && packet[20] == 0 {
                return Ok(());
            }
        }
    }

    /// Sends a frame of any kind past the guest's own kernel.
    pub fn frame(&self, bytes: &[u8]) {
        (&*self.tap).write_all(bytes).unwrap();
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        for carrier in self.carriers.drain(..) {
            carrier.join().unwrap();
        }
    }
}

fn carry(mut from: &File, mut to: &File, is_over: &AtomicBool) {
    let mut buffer = vec![0; 1 << 17];
    while !is_over.load(Ordering::SeqCst) {
        let mut look = [PollFd::new(from.as_fd(), PollFlags::POLLIN)];
        if poll(&mut look, PollTimeout::from(20_u8)) != Ok(1) {
            continue;
        }
        match from.read(&mut buffer) {
            // A device that is down or deleted takes none.
            Ok(read) => drop(to.write_all(&buffer[..read])),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

pub struct Connection {
    stream: TcpStream,
    /// The guest as the server sees it.
    pub peer: String,
}

impl Connection {
    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        let mut byte = [0];
        while self.stream.read(&mut byte)? == 1 && byte != *b"\n" {
            line.push(byte[0]);
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    /// Whether the other end still answers.
    pub fn answers(&mut self) -> io::Result<()> {
        self.stream.write_all(b"still there\n")?;
        let line = self.line()?;
        if line == "still there" { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// Waits for its end, which comes with the next packets.
    pub fn is_cut(&mut self) -> bool {
        let error = until("the connection is cut", || self.answers().err());
        matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
    }
}
