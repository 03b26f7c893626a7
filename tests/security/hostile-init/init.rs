//! PID 1 of a guest that means ill. How much memory the machine has decides what it does on the guest channel:
//! below 140 MiB nothing at all, below 180 garbage without end, above that it echoes the marker and then speaks garbage.

use std::ffi::{c_char, c_int, c_long, c_ulong, c_void};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;

/// finit_module(2) on x86-64.
const FINIT_MODULE: c_long = 313;

unsafe extern "C" {
    fn mount(
        from: *const c_char,
        to: *const c_char,
        kind: *const c_char,
        flags: c_ulong,
        data: *const c_void,
    ) -> c_int;
    fn syscall(number: c_long, ...) -> c_long;
}

fn mount_new(kind: &std::ffi::CStr, to: &std::ffi::CStr) {
    // SAFETY: the strings end in NUL and outlive the call; no data is passed.
    unsafe { mount(kind.as_ptr(), to.as_ptr(), kind.as_ptr(), 0, std::ptr::null()) };
}

fn load_modules() {
    for name in fs::read_to_string("/modules/order").unwrap_or_default().lines() {
        let Ok(file) = File::open(format!("/modules/{name}")) else { continue };
        // SAFETY: the descriptor is open, and the empty parameters end in NUL.
        unsafe { syscall(FINIT_MODULE, file.as_raw_fd() as c_long, c"".as_ptr(), 0 as c_long) };
    }
}

fn memory_mib() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    text.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn port() -> Option<File> {
    let names = fs::read_dir("/dev").ok()?.flatten().map(|entry| entry.path());
    let port = names.filter(|path| path.to_string_lossy().contains("vport")).next()?;
    OpenOptions::new().read(true).write(true).open(port).ok()
}

fn sleep_for_ever() -> ! {
    loop {
        std::thread::sleep(std::time::Duration::from_secs(3600));
    }
}

fn main() {
    mount_new(c"proc", c"/proc");
    mount_new(c"sysfs", c"/sys");
    mount_new(c"devtmpfs", c"/dev");
    load_modules();
    println!("hostile-init: up with {} MiB", memory_mib());
    let memory = memory_mib();
    // The kernel keeps some 30 MiB for itself.
    if memory < 110 {
        sleep_for_ever();
    }
    let mut port = loop {
        match port() {
            Some(port) => break port,
            None => std::thread::sleep(std::time::Duration::from_millis(20)),
        }
    };
    let mut noise = vec![0u8; 4096];
    let _ = File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut noise));
    if memory < 150 {
        loop {
            let _ = port.write(&noise);
        }
    }
    let mut heard = [0u8; 4096];
    loop {
        match port.read(&mut heard) {
            Ok(0) | Err(_) => std::thread::sleep(std::time::Duration::from_millis(20)),
            // A marker comes in one piece; what follows it is answered in kind, too.
            Ok(count) => {
                let _ = port.write_all(&heard[..count]);
                let _ = port.write_all(&noise);
            }
        }
    }
}
