//! Which TCP ports programs listen on where a connection to 127.0.0.1 or ::1 reaches them, by /proc/net/tcp and tcp6 (proc(5)).

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr};

use serde::Serialize;

/// Ports told; of more, the highest are left out.
const MAX_PORTS: usize = 256;
/// Sockets looked at in each file: a program may listen on every port there is.
const MAX_SOCKETS: usize = 4096;

/// The state of a listening socket, TCP_LISTEN.
const LISTEN: &str = "0A";

#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Listening {
    pub ports: Vec<u16>,
    /// There are more than could be told.
    pub truncated: bool,
}

pub fn read() -> io::Result<Listening> {
    let mut found = BTreeSet::new();
    let mut truncated = false;
    for path in ["/proc/net/tcp", "/proc/net/tcp6"] {
        match File::open(path) {
            Ok(file) => truncated |= collect(BufReader::new(file), &mut found)?,
            // A kernel without IPv6.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    truncated |= found.len() > MAX_PORTS;
    Ok(Listening { ports: found.into_iter().take(MAX_PORTS).collect(), truncated })
}

/// Adds what one of the files has; answers whether some of it was not looked at.
fn collect(table: impl BufRead, found: &mut BTreeSet<u16>) -> io::Result<bool> {
    for (index, line) in table.lines().skip(1).enumerate() {
        let line = line?;
        let mut columns = line.split_ascii_whitespace().skip(1);
        let (Some(local), Some(_remote), Some(state)) = (columns.next(), columns.next(), columns.next()) else {
            continue;
        };
        // The kernel lists those that listen first.
        if state != LISTEN {
            return Ok(false);
        }
        if index == MAX_SOCKETS {
            return Ok(true);
        }
        found.extend(reachable_port(local));
    }
    Ok(false)
}

/// The port of an address like `0100007F:1F90` that the loopback reaches. Any other address, such as the agent's own for
/// DNS, is not asked for.
fn reachable_port(local: &str) -> Option<u16> {
    let (address, port) = local.split_once(':')?;
    let mut bytes = Vec::with_capacity(16);
    if !matches!(address.len(), 8 | 32) {
        return None;
    }
    // Words as the processor has them, of an address in network order.
    for word in address.as_bytes().chunks(8) {
        bytes.extend(u32::from_str_radix(str::from_utf8(word).ok()?, 16).ok()?.to_ne_bytes());
    }
    let is_reachable = match bytes.len() {
        4 => is_reached_by_v4(<[u8; 4]>::try_from(bytes).ok()?.into()),
        16 => {
            let address = Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?);
            address.is_unspecified() || address.is_loopback() || address.to_ipv4_mapped().is_some_and(is_reached_by_v4)
        }
        _ => false,
    };
    u16::from_str_radix(port, 16).ok().filter(|_| is_reachable)
}

fn is_reached_by_v4(address: Ipv4Addr) -> bool {
    address.is_unspecified() || address == Ipv4Addr::LOCALHOST
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    fn line(local: &str, state: &str) -> String {
        format!(
            "   0: {local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0\n"
        )
    }

    fn ports(lines: &[String]) -> Vec<u16> {
        let mut found = BTreeSet::new();
        collect(format!("{HEAD}{}", lines.concat()).as_bytes(), &mut found).unwrap();
        found.into_iter().collect()
    }

    #[test]
    fn ports_that_the_loopback_reaches_are_found_and_no_others() {
        let word = |address: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(address));
        let v6 = |address: &str| {
            let bytes = address.parse::<Ipv6Addr>().unwrap().octets();
            bytes.chunks(4).map(|four| word(four.try_into().unwrap())).collect::<String>()
        };
        let listening = [
            line(&format!("{}:1F90", word([127, 0, 0, 1])), LISTEN),
            line(&format!("{}:0016", word([0, 0, 0, 0])), LISTEN),
            line(&format!("{}:0035", word([169, 254, 53, 53])), LISTEN),
            line(&format!("{}:0036", word([127, 0, 0, 53])), LISTEN),
            line(&format!("{}:0BB8", v6("::1")), LISTEN),
            line(&format!("{}:0BB9", v6("::")), LISTEN),
            line(&format!("{}:0BBA", v6("::ffff:127.0.0.1")), LISTEN),
            line(&format!("{}:0BBB", v6("fe80::1")), LISTEN),
        ];
        assert_eq!(ports(&listening), [22, 3000, 3001, 3002, 8080]);
    }

    #[test]
    fn connections_and_lines_that_are_none_are_passed_over() {
        let lines =
            ["nothing\n".into(), line("zz:1F90", LISTEN), line("00000000:FFFFF", LISTEN), line("00:1F90", LISTEN)];
        assert_eq!(ports(&lines), [0_u16; 0]);
        let after = [line("00000000:1F90", LISTEN), line("00000000:1F91", "01"), line("00000000:1F92", LISTEN)];
        assert_eq!(ports(&after), [8080]);
    }

    #[test]
    fn a_program_that_listens_everywhere_costs_a_bounded_list() {
        let many: Vec<String> = (1..=u16::MAX).map(|port| line(&format!("00000000:{port:04X}"), LISTEN)).collect();
        let mut found = BTreeSet::new();
        assert!(collect(format!("{HEAD}{}", many.concat()).as_bytes(), &mut found).unwrap());
        assert_eq!(found.len(), MAX_SOCKETS);
    }
}
