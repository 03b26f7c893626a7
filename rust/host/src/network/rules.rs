//! The rules of nftables, as text for nft(8): of a slot, of the router that slots plug into, and of the host.
//!
//! A slot's are the same for every slot and every policy; a policy is the contents of its sets (`policy.rs`). A flow that
//! a policy allows carries the mark of the rule that did; a mark that is not in `live` allows nothing, and its flow is
//! looked up again with its next packet, so that a rule's end cuts exactly the flows that no other rule allows.

use crate::error::{Code, During, Outcome, failure};
use crate::network::addresses::Cidr;
use crate::network::ceiling::Ceiling;
use crate::network::ports;
use crate::programs;
use crate::spec::GUEST_MAC;
use std::fmt::Write as _;
use std::io::Write;
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};

/// Of a slot.
pub const TABLE: &str = "slot";
pub use crate::spec::TAP;
/// Two ends of a cable in a slot: what is sent into the first comes out of the second as whole packets, their checksums
/// written, since the first offloads nothing.
pub const HOP: &str = "hop0";
pub const HOP_END: &str = "hop1";
/// The set of devices whose frames come as they are, without a header of virtio-net: the tap, until it is handed over.
pub const PLAIN: &str = "plain";
pub const UPLINK: &str = "up0";
/// Of a slot in a shared network.
pub const LEG: &str = "net0";
/// Of the router.
pub const BRIDGE: &str = "br0";
/// The first letters of the names of shared networks' bridges.
pub const BRIDGES: &str = "n-";
/// The first letters of what every instance has in the host's own namespace.
pub const PREFIX: &str = "mt-";

/// What one guest may take of the host, both ways.
const PACKETS_A_SECOND: u32 = 50_000;
const BYTES_A_SECOND: u32 = 125_000_000;
/// Connections at a time: a host tracks some 262,144 by default.
const CONNECTIONS: u32 = 4096;
const CONNECTIONS_A_SECOND: u32 = 200;
/// From one other member of a shared network to a guest: one alone cannot take the places of the others.
const CONNECTIONS_OF_A_PEER: u32 = 1024;
const MEMBERS: u16 = ports::MOST;
/// What was denied is kept for an hour, by address and port; once there are so many, further ones for a short time, so that
/// a guest that asks for anything and everything does not hide what it is refused later.
const DENIALS: u32 = 192;
const LATER_DENIALS: u32 = 64;
const LATER_SECONDS: u32 = 30;
/// Refusals that are answered; further ones are dropped.
const REFUSALS_A_SECOND: u32 = 1000;
/// Names' addresses.
pub const ADMITTED: usize = 512;

/// `guest` is the guest's address, `members` are those of guests in shared networks. What is forbidden is yet to be said.
pub fn slot(guest: Ipv4Addr, members: Cidr, has_ipv6: bool) -> String {
    frames(guest) + &packets(members) + if has_ipv6 { NO_IPV6 } else { "" }
}

/// IPv6 is turned off in a slot as well.
const NO_IPV6: &str = r"table ip6 slot {
  chain input { type filter hook input priority filter; policy drop; }
  chain forward { type filter hook forward priority filter; policy drop; }
  chain output { type filter hook output priority filter; policy drop; }
}
";

/// What passes the tap. The packets of a tap that was handed over go by the hop, so that the rules see what they are sent
/// as; ARP ends here.
fn frames(guest: Ipv4Addr) -> String {
    format!(
        r#"table netdev {TABLE} {{
  counter spoofed {{ }}
  counter flooded {{ }}
  set own {{ type ipv4_addr; elements = {{ {guest} }} }}
  set {PLAIN} {{ type ifname; elements = {{ "{TAP}" }} }}
  chain from_guest {{
    type filter hook ingress device "{TAP}" priority 0; policy drop;
    limit rate over {PACKETS_A_SECOND}/second burst 5000 packets counter name flooded drop
    limit rate over {BYTES_A_SECOND} bytes/second burst 12500000 bytes counter name flooded drop
    iifname @{PLAIN} ether saddr {GUEST_MAC} ether type ip ip saddr @own accept
    iifname != @{PLAIN} ether type ip fwd to "{HOP}"
    ether saddr {GUEST_MAC} ether type arp arp htype 1 arp ptype ip arp hlen 6 arp plen 4 arp saddr ether {GUEST_MAC} arp saddr ip @own limit rate 50/second accept
    counter name spoofed
  }}
  chain from_hop {{
    type filter hook ingress device "{HOP_END}" priority 0; policy drop;
    limit rate over {PACKETS_A_SECOND}/second burst 5000 packets counter name flooded drop
    limit rate over {BYTES_A_SECOND} bytes/second burst 12500000 bytes counter name flooded drop
    ether saddr {GUEST_MAC} ether type ip ip saddr @own accept
    counter name spoofed
  }}
  chain to_guest {{
    type filter hook egress device "{TAP}" priority 0; policy drop;
    limit rate over {PACKETS_A_SECOND}/second burst 5000 packets counter name flooded drop
    limit rate over {BYTES_A_SECOND} bytes/second burst 12500000 bytes counter name flooded drop
    ether type {{ ip, arp }} accept
  }}
}}
"#
    )
}

/// What passes between the tap and the slot's other links.
fn packets(members: Cidr) -> String {
    format!(
        r#"table ip {TABLE} {{
  counter sent {{ }}
  counter received {{ }}
  counter denied {{ }}
  counter exceeded {{ }}
  counter opened {{ }}
  set forbidden {{ type ipv4_addr; flags interval; auto-merge; }}
  map allowed {{ type ipv4_addr . inet_proto . inet_service : mark; flags interval; }}
  map admitted {{ type ipv4_addr . inet_proto . inet_service : mark; flags timeout; size {ADMITTED}; }}
  set live {{ type mark; }}
  set own {{ type ipv4_addr; }}
  set callers {{ type ipv4_addr; size {MEMBERS}; flags dynamic,timeout; timeout 1m; }}
  set peers {{ type ipv4_addr; size {MEMBERS}; flags dynamic; }}
  set denials {{ type ipv4_addr . inet_proto . inet_service; size {DENIALS}; flags dynamic,timeout; timeout 1h; }}
  set later_denials {{ type ipv4_addr . inet_proto . inet_service; size {LATER_DENIALS}; flags dynamic,timeout; timeout {LATER_SECONDS}s; }}
  set denied_hosts {{ type ipv4_addr . inet_proto; size {DENIALS}; flags dynamic,timeout; timeout 1h; }}
  set later_denied_hosts {{ type ipv4_addr . inet_proto; size {LATER_DENIALS}; flags dynamic,timeout; timeout {LATER_SECONDS}s; }}
  chain forward {{
    type filter hook forward priority filter; policy drop;
    ct state invalid drop
    iifname {{ "{TAP}", "{HOP_END}" }} oifname "{UPLINK}" goto outbound
    iifname "{UPLINK}" oifname "{TAP}" ct state established,related goto inbound
    iifname {{ "{TAP}", "{HOP_END}" }} oifname "{LEG}" ip saddr @own ip daddr {members} goto admit
    # Errors come from the legs of others as well.
    iifname "{LEG}" oifname "{TAP}" ip daddr @own ct state related counter name received accept
    iifname "{LEG}" oifname "{TAP}" ip saddr {members} ip daddr @own goto welcome
    iifname {{ "{TAP}", "{HOP_END}" }} oifname "{LEG}" goto refuse
  }}
  chain outbound {{
    ip daddr @forbidden goto refuse
    ct status confirmed ct mark @live counter name sent accept
    ct mark set ip daddr . meta l4proto . th dport map @allowed
    ct mark @live goto admit
    ct mark set ip daddr . meta l4proto . th dport map @admitted
    ct mark @live goto admit
    goto refuse
  }}
  chain admit {{
    ct status confirmed counter name sent accept
    limit rate over {CONNECTIONS_A_SECOND}/second burst {CONNECTIONS_A_SECOND} packets goto exceed
    ct count over {CONNECTIONS} goto exceed
    counter name opened counter name sent accept
  }}
  chain welcome {{
    ct status confirmed counter name received accept
    update @callers {{ ip saddr limit rate over {CONNECTIONS_A_SECOND}/second burst {CONNECTIONS_A_SECOND} packets }} goto exceed
    add @peers {{ ip saddr ct count over {CONNECTIONS_OF_A_PEER} }} goto exceed
    counter name received accept
  }}
  chain exceed {{
    counter name exceeded
    limit rate over {REFUSALS_A_SECOND}/second burst {REFUSALS_A_SECOND} packets drop
    reject with icmp admin-prohibited
  }}
  chain inbound {{
    ct mark @live counter name received accept
    ct mark set ip saddr . meta l4proto . th sport map @allowed
    ct mark @live counter name received accept
    ct mark set ip saddr . meta l4proto . th sport map @admitted
    ct mark @live counter name received accept
    meta l4proto tcp reject with tcp reset
  }}
  chain refuse {{
    counter name denied
    jump note
    limit rate over {REFUSALS_A_SECOND}/second burst {REFUSALS_A_SECOND} packets drop
    meta l4proto tcp reject with tcp reset
    reject with icmp admin-prohibited
  }}
  chain note {{
    meta l4proto != {{ tcp, udp }} goto note_host
    update @denials {{ ip daddr . meta l4proto . th dport counter }} return
    update @later_denials {{ ip daddr . meta l4proto . th dport counter }}
  }}
  chain note_host {{
    update @denied_hosts {{ ip daddr . meta l4proto counter }} return
    update @later_denied_hosts {{ ip daddr . meta l4proto counter }}
  }}
  chain input {{
    type filter hook input priority filter; policy drop;
    meta pkttype {{ broadcast, multicast }} drop
    iifname {{ "{TAP}", "{HOP_END}" }} goto refuse
  }}
  # The guest's VMM may be in this namespace. What has a socket's owner is dropped; the kernel's own refusals have none.
  chain output {{
    type filter hook output priority filter; policy drop;
    meta skuid >= 0 drop
    tcp flags & rst == rst accept
    icmp type {{ destination-unreachable, time-exceeded, parameter-problem }} accept
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    oifname "{UPLINK}" masquerade
  }}
}}
"#
    )
}

/// Says, beside the rules of every slot, which address its guest has as a member of a shared network.
pub fn member(address: Ipv4Addr) -> String {
    ["netdev", "ip"].map(|family| format!("add element {family} {TABLE} own {{ {address} }}\n")).concat()
}

/// Has a slot forbid what is beyond the ceiling, in place of what it has forbidden.
pub fn forbid(ceiling: &Ceiling) -> String {
    let forbidden = ceiling.elements();
    format!("flush set ip {TABLE} forbidden\nadd element ip {TABLE} forbidden {{ {forbidden} }}\n")
}

/// Between slots and host, and between members; it tracks nothing. The ceiling and the slots' addresses stand here once more,
/// for all slots. A port is where one slot's packets come from and no other's; that of a shared network has the packet go to
/// the leg of the member that it is for.
pub fn router(ceiling: &Ceiling, range: Cidr) -> String {
    let forbidden = ceiling.elements();
    let sources: Vec<String> = ports::all()
        .flat_map(|name| {
            let leg = ports::leg(name);
            [
                format!("\"{}\" . {}", ports::slot(name), ports::slot_address(range, name)),
                format!("\"{leg}\" . {}", ports::member_address(range, name)),
                format!("\"{leg}\" . {}", ports::leg_address(range, name)),
            ]
        })
        .collect();
    // A line each: nft repeats the one that it refuses.
    let (sources, legs) = (sources.join(",\n"), ports::LEG_PREFIX);
    format!(
        r#"table ip router {{ }}
delete table ip router
table ip router {{
  set forbidden {{ type ipv4_addr; flags interval; auto-merge; elements = {{ {forbidden} }} }}
  chain forward {{
    type filter hook forward priority filter; policy drop;
    iifname "{BRIDGE}" oifname "{UPLINK}" ip daddr != @forbidden accept
    iifname "{UPLINK}" oifname "{BRIDGE}" accept
    # Where the host has bridges' frames pass here as well (br_netfilter); no route leads from or to these.
    iifname "{BRIDGES}*" oifname "{BRIDGES}*" accept
  }}
  chain input {{
    type filter hook input priority filter; policy drop;
  }}
}}
table bridge router {{ }}
delete table bridge router
table bridge router {{
  set sources {{ type ifname . ipv4_addr; elements = {{ {sources} }} }}
  chain prerouting {{
    type filter hook prerouting priority dstnat; policy drop;
    meta protocol != ip drop
    iifname . ip saddr != @sources drop
    # The last two bytes of the destination's address are those of its MAC.
    iifname "{legs}*" @ll,32,16 set @nh,144,16
    accept
  }}
}}
"#
    )
}

/// What the host's own namespace has.
pub struct HostRules<'a> {
    pub table: &'a str,
    /// To the router.
    pub link: &'a str,
    pub slots: Cidr,
    pub uplink: Option<&'a str>,
    /// Whether the uplink forwards for our sake alone.
    pub is_forwarding_ours: bool,
}

/// In place of what the table has had.
pub fn host(rules: &HostRules<'_>) -> String {
    let HostRules { table, link, slots, .. } = rules;
    let (mut forward, mut masquerade) = (String::new(), String::new());
    if let Some(uplink) = rules.uplink {
        forward = format!("    iifname \"{link}\" ip saddr {slots} oifname \"{uplink}\" accept\n");
        masquerade = format!("    ip saddr {slots} oifname \"{uplink}\" masquerade\n");
        if rules.is_forwarding_ours {
            // Whatever else the host may be asked to forward from there, it was not before.
            let _ = writeln!(forward, "    iifname \"{uplink}\" oifname != \"{PREFIX}*\" drop");
        }
    }
    format!(
        r#"table ip {table} {{ }}
delete table ip {table}
table ip {table} {{
  chain prerouting {{
    type filter hook prerouting priority -310; policy accept;
    iifname "{link}" fib daddr type != unicast goto refuse
  }}
  chain refuse {{
    meta l4proto tcp reject with tcp reset
    reject with icmp admin-prohibited
  }}
  chain input {{
    type filter hook input priority -310; policy accept;
    iifname "{link}" drop
  }}
  chain forward {{
    type filter hook forward priority filter - 10; policy accept;
{forward}    iifname "{link}" goto refuse
    oifname "{link}" ct state established,related accept
    oifname "{link}" drop
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
{masquerade}  }}
}}
"#
    )
}

/// nft(8), which waits for rules in the network namespace of the thread that started it: most of the time that it takes is
/// its start.
pub struct Loader(Option<Child>);

impl Loader {
    /// # Errors
    /// `internal` without nft.
    pub fn start() -> Outcome<Self> {
        let mut command = Command::new(programs::find("nft")?);
        command.args(["-f", "-"]).env_clear().current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        Ok(Self(Some(command.spawn().during(|| "run nft".to_owned())?)))
    }

    /// Loads rules: all of them or none.
    ///
    /// # Errors
    /// `internal` with what nft said.
    pub fn load(mut self, rules: &str) -> Outcome<()> {
        let what = || "run nft".to_owned();
        let Some(mut nft) = self.0.take() else { return Ok(()) };
        // It reads all of it before it says anything.
        let written = nft.stdin.take().map_or(Ok(()), |mut input| input.write_all(rules.as_bytes()));
        let output = nft.wait_with_output().during(what)?;
        if output.status.success() {
            return written.during(what);
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(failure(Code::Internal, format!("nft refused the rules: {said}")))
    }
}

impl Drop for Loader {
    /// Ends one that got no rules.
    fn drop(&mut self) {
        if let Some(mut nft) = self.0.take() {
            let _ = nft.kill();
            let _ = nft.wait();
        }
    }
}

/// Loads rules in the calling thread's network namespace: all of them or none.
///
/// # Errors
/// `internal` without nft, or with what it said.
pub fn load(rules: &str) -> Outcome<()> {
    Loader::start()?.load(rules)
}
