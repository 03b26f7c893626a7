//! Settings of the kernel in a namespace that we made, or of a link. They are those of the calling thread's namespace.

use crate::error::{During, Outcome};
use std::fs;
use std::path::Path;

/// Whether the kernel has IPv6.
pub fn has_ipv6() -> bool {
    Path::new("/proc/sys/net/ipv6").exists()
}

fn set(name: &str, value: &str) -> Outcome<()> {
    let path = Path::new("/proc/sys/net").join(name);
    // A kernel without IPv6 has none to turn off.
    if name.starts_with("ipv6/") && !path.exists() {
        return Ok(());
    }
    fs::write(&path, value).during(|| format!("set {}", path.display()))
}

/// Of a namespace that forwards, and says at once of each packet that it refuses it. A new one has the host's own settings,
/// whatever those are.
///
/// # Errors
/// What the kernel refused.
pub fn set_namespace() -> Outcome<()> {
    for (name, value) in [
        ("ipv4/ip_forward", "1"),
        ("ipv4/icmp_ratelimit", "0"),
        ("ipv6/conf/all/disable_ipv6", "1"),
        ("ipv6/conf/default/disable_ipv6", "1"),
    ] {
        set(name, value)?;
    }
    // The kernel takes that of `all` together with a link's own, which is that of `default` when the link is made.
    for (name, value) in [
        ("rp_filter", "1"),
        ("accept_source_route", "0"),
        ("accept_redirects", "0"),
        ("send_redirects", "0"),
        ("proxy_arp", "0"),
        // A link answers for its own addresses alone, and asks with them; what it did not ask for it does not note.
        ("arp_ignore", "1"),
        ("arp_announce", "2"),
        ("arp_accept", "0"),
    ] {
        for which in ["all", "default"] {
            set(&format!("ipv4/conf/{which}/{name}"), value)?;
        }
    }
    Ok(())
}

/// Of the host's end of the link to the router.
///
/// # Errors
/// What the kernel refused.
pub fn set_host_link(link: &str) -> Outcome<()> {
    set(&format!("ipv4/conf/{link}/forwarding"), "1")?;
    set(&format!("ipv4/conf/{link}/send_redirects"), "0")?;
    set(&format!("ipv6/conf/{link}/disable_ipv6"), "1")
}

/// Has one link of the namespace take packets from addresses that others lead to. What is made later does not.
///
/// # Errors
/// What the kernel refused.
pub fn take_any_source(link: &str) -> Outcome<()> {
    set(&format!("ipv4/conf/{link}/rp_filter"), "0")?;
    // The links that are there have their own, and the higher of the two counts.
    set("ipv4/conf/all/rp_filter", "0")
}
