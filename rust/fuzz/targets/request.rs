//! What a caller of the privileged daemon may send: a request whose names lead nowhere else and whose numbers are in their ranges, or a refusal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use microterm_host::untrusted::{DiskFrom, Request, parse};

/// One component of a path, and not a special one.
fn is_name(id: &str) -> bool {
    (8..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

fuzz_target!(|input: &[u8]| {
    let line = parse(input);
    match line.request {
        Err(failure) => assert!(!failure.to_string().is_empty(), "a refusal says why"),
        Ok(asked) => {
            assert!(line.id.is_some(), "what is asked can be answered");
            match asked {
                Request::MachineLaunch(launch) => {
                    assert!((64..=1_048_576).contains(&launch.memory_mib) && (1..=64).contains(&launch.cpus));
                    assert!(is_name(launch.machine_id.as_str()) && is_name(launch.image.as_str()));
                }
                Request::DiskCreate(create, DiskFrom::Blank(size)) => {
                    assert!((64..=1_048_576).contains(&size) && is_name(create.disk_id.as_str()));
                }
                Request::MachineSave(save) => {
                    assert!(is_name(save.machine_id.as_str()) && is_name(save.save_id.as_str()))
                }
                Request::Scan(scan) => {
                    assert!(scan.ids.len() <= 1024 && scan.ids.iter().all(|id| is_name(id.as_str())))
                }
                _ => {}
            }
        }
    }
});
