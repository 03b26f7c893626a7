//! `/etc/resolv.conf` and `/etc/hosts`. They are the tenant's, who may have put a file system there that never answers: what
//! writes them is a thread that nothing waits for longer than a moment.

use std::fmt::Write;
use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::network::interface::Host;
use crate::process::own_files;

const TIMEOUT: Duration = Duration::from_secs(1);

pub fn resolv_conf(resolvers: &[Ipv4Addr]) -> String {
    let mut text = String::new();
    for resolver in resolvers {
        let _ = writeln!(text, "nameserver {resolver}");
    }
    text
}

pub fn hosts(own_name: &str, others: &[Host]) -> String {
    let mut text = format!("127.0.0.1\tlocalhost\n127.0.1.1\t{own_name}\n::1\tlocalhost ip6-localhost\n");
    for Host { name, address } in others {
        let _ = writeln!(text, "{address}\t{name}");
    }
    text
}

/// Gives the files these texts; `/etc/hosts` none when `None`. Not a file thread of the runtime: those act as the user.
pub async fn write(resolv_conf: String, hosts: Option<String>) -> io::Result<()> {
    static IS_BUSY: AtomicBool = AtomicBool::new(false);
    if IS_BUSY.swap(true, Ordering::AcqRel) {
        return Err(io::Error::other("an earlier write has not ended"));
    }
    let (sender, written) = oneshot::channel();
    thread::spawn(move || {
        let result = own_files::write("/etc/resolv.conf", &resolv_conf)
            .and_then(|()| hosts.map_or(Ok(()), |text| own_files::write("/etc/hosts", &text)));
        IS_BUSY.store(false, Ordering::Release);
        let _ = sender.send(result);
    });
    match timeout(TIMEOUT, written).await {
        Ok(Ok(result)) => result,
        _ => Err(io::ErrorKind::TimedOut.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::{hosts, resolv_conf};
    use crate::network::interface::Host;

    #[test]
    fn the_files_have_a_line_for_each_server_and_host() {
        assert_eq!(resolv_conf(&[]), "");
        assert_eq!(resolv_conf(&[[169, 254, 53, 53].into()]), "nameserver 169.254.53.53\n");
        let others = [Host { name: "db".into(), address: [10, 0, 0, 3].into() }];
        assert!(hosts("otter", &others).ends_with("127.0.1.1\totter\n::1\tlocalhost ip6-localhost\n10.0.0.3\tdb\n"));
    }
}
