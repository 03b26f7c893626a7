use super::*;
use proptest::prelude::*;

fn ok(line: &str) -> Request {
    parse(line.as_bytes()).request.unwrap_or_else(|failure| panic!("{line}: {failure}"))
}

fn refused(line: &str) -> String {
    let failure = parse(line.as_bytes()).request.expect_err(line);
    assert_eq!(failure.code, Code::BadRequest, "{line}");
    failure.message
}

const LAUNCH: &str = r#"{"machineId":"machine1","image":"imagekey1","diskId":null,"memoryMib":256,"cpus":1,"accelerator":"tcg","magic":"00112233445566778899aabbccddeeff"}"#;

#[test]
fn reads_every_verb() {
    for verb in [
        "hello",
        "settle",
        "image.import",
        "list",
        "host.resources",
        "jail.probe",
        "template.list",
        "save.list",
        "machine.overhead",
    ] {
        ok(&format!(r#"{{"id":1,"verb":"{verb}","args":{{}}}}"#));
    }
    let probe = |args: &str| format!(r#"{{"id":1,"verb":"jail.probe","args":{args}}}"#);
    assert_eq!(ok(&probe("{}")), Request::JailProbe(JailProbeArgs { vmm: VmmKind::Qemu }));
    assert_eq!(ok(&probe(r#"{"vmm":"firecracker"}"#)), Request::JailProbe(JailProbeArgs { vmm: VmmKind::Firecracker }));
    refused(&probe(r#"{"vmm":"other"}"#));
    ok(r#"{"id":1,"verb":"image.verify","args":{"image":"imagekey1"}}"#);
    ok(r#"{"id":1,"verb":"disk.create","args":{"diskId":"disk0001","sizeMib":64}}"#);
    ok(r#"{"id":1,"verb":"disk.remove","args":{"diskId":"disk0001"}}"#);
    ok(r#"{"id":1,"verb":"machine.kill","args":{"machineId":"machine1"}}"#);
    ok(r#"{"id":1,"verb":"machine.usage","args":{"machineId":"machine1"}}"#);
    ok(r#"{"id":1,"verb":"scan","args":{"ids":["machine1","disk0001"]}}"#);
    ok(r#"{"id":1,"verb":"disk.create","args":{"diskId":"disk0001","template":"0123456789abcdef"}}"#);
    ok(r#"{"id":1,"verb":"machine.save","args":{"machineId":"machine1","saveId":"savesave"}}"#);
    ok(
        r#"{"id":1,"verb":"template.find","args":{"image":"imagekey1","memoryMib":64,"cpus":1,"diskMib":64,"accelerator":"tcg"}}"#,
    );
    ok(r#"{"id":1,"verb":"template.save","args":{"machineId":"machine1","template":"0123456789abcdef"}}"#);
    ok(r#"{"id":1,"verb":"template.remove","args":{"template":"0123456789abcdef"}}"#);
    for verb in ["network.status", "network.list", "network.remove"] {
        ok(&format!(r#"{{"id":1,"verb":"{verb}","args":{{}}}}"#));
    }
    for verb in ["network.attach", "network.denials", "network.usage", "network.leave", "network.release"] {
        ok(&format!(r#"{{"id":1,"verb":"{verb}","args":{{"machineId":"machine1"}}}}"#));
    }
    ok(r#"{"id":1,"verb":"network.join","args":{"machineId":"machine1","network":"network00001"}}"#);
    // Of no link's name.
    refused(r#"{"id":1,"verb":"network.join","args":{"machineId":"machine1","network":"network000001"}}"#);
    for policy in [r#""none""#, r#""open""#, r#"{"allowlist":[{"cidr":"1.2.3.0/24","protocol":"tcp","ports":[1,2]}]}"#]
    {
        ok(&format!(r#"{{"id":1,"verb":"network.policy","args":{{"machineId":"machine1","policy":{policy}}}}}"#));
    }
    ok(
        r#"{"id":1,"verb":"network.admit","args":{"machineId":"machine1","entries":[{"mark":1,"address":"1.2.3.4","protocol":"udp","port":53,"ttlSeconds":60}]}}"#,
    );
    ok(r#"{"id":1,"verb":"save.remove","args":{"saveId":"savesave"}}"#);
    let Request::MachineLaunch(launch) = ok(&format!(r#"{{"id":1,"verb":"machine.launch","args":{LAUNCH}}}"#)) else {
        panic!("not a launch");
    };
    assert_eq!((launch.memory_mib, launch.cpus, launch.disk_id), (256, 1, None));
}

#[test]
fn refuses_unknown_verbs_keys_and_types() {
    refused(r#"{"id":1,"verb":"shell","args":{}}"#);
    refused(r#"{"id":1,"verb":"hello","args":{"x":1}}"#);
    refused(r#"{"id":1,"verb":"hello","args":[1]}"#);
    refused(r#"{"id":1,"verb":"hello","args":{},"more":1}"#);
    refused(r#"{"id":1,"verb":"hello"}"#);
    refused(r#"{"id":-1,"verb":"hello","args":{}}"#);
    refused(r#"{"id":1,"verb":"disk.create","args":{"diskId":"disk0001","sizeMib":"64"}}"#);
    refused(r#"{"id":1,"verb":"disk.create","args":{"diskId":"disk0001","sizeMib":64.5}}"#);
    refused(r#"{"id":1,"verb":"disk.create","args":{"diskId":"disk0001","diskId":"disk0002","sizeMib":64}}"#);
}

#[test]
fn refuses_values_out_of_range() {
    refused(r#"{"id":1,"verb":"disk.create","args":{"diskId":"disk0001","sizeMib":63}}"#);
    refused(r#"{"id":1,"verb":"disk.create","args":{"diskId":"disk0001","sizeMib":1048577}}"#);
    for (from, to) in [
        ("256", "63"),
        ("256", "1048577"),
        (r#""cpus":1"#, r#""cpus":0"#),
        (r#""cpus":1"#, r#""cpus":65"#),
        ("tcg", "xen"),
        ("00112233445566778899aabbccddeeff", "00112233445566778899AABBCCDDEEFF"),
        ("00112233445566778899aabbccddeeff", "0011 quiet init=/bin/sh"),
        ("machine1", "../../etc/passwd"),
        (r#""diskId":null"#, r#""diskId":"a/b/c/d/e/f""#),
    ] {
        refused(&format!(r#"{{"id":1,"verb":"machine.launch","args":{}}}"#, LAUNCH.replacen(from, to, 1)));
    }
}

#[test]
fn refuses_what_is_no_address_port_or_slot() {
    let admit = |entry: &str| {
        format!(r#"{{"id":1,"verb":"network.admit","args":{{"machineId":"machine1","entries":[{entry}]}}}}"#)
    };
    let entry = r#"{"mark":1,"address":"1.2.3.4","protocol":"tcp","port":443,"ttlSeconds":60}"#;
    ok(&admit(entry));
    refused(&admit(""));
    refused(&admit(&[entry; 65].join(",")));
    for (from, to) in
        [("1.2.3.4", "::1"), ("1.2.3.4", "1.2.3"), ("443", "65536"), ("tcp", "icmp"), (":60", ":0"), (":60", ":86401")]
    {
        refused(&admit(&entry.replacen(from, to, 1)));
    }
    let launch = |slot: &str| {
        format!(
            r#"{{"id":1,"verb":"machine.launch","args":{}}}"#,
            LAUNCH.replacen('{', &format!(r#"{{"slot":"{slot}","#), 1)
        )
    };
    ok(&launch("s12"));
    for slot in ["", "s", "12", "s012", "s10000", "s-1", "s+1", "../s1"] {
        refused(&launch(slot));
    }
}

fn launch_with(memory: &str, magic: &str) -> String {
    let args = LAUNCH.replacen(r#""magic":"00112233445566778899aabbccddeeff""#, magic, 1);
    format!(
        r#"{{"id":1,"verb":"machine.launch","args":{}}}"#,
        args.replacen('{', &format!(r#"{{"memory":{memory},"#), 1)
    )
}

#[test]
fn limits_are_whole_and_within_their_ranges() {
    let cpu = r#"{"quotaPercent":150,"weight":100}"#;
    let disk = r#"{"bytesPerSecond":65536,"operationsPerSecond":10,"burstBytesPerSecond":65536,"burstOperationsPerSecond":20,"burstSeconds":1}"#;
    let limit = |limits: &str| {
        format!(r#"{{"id":1,"verb":"machine.limit","args":{{"machineId":"machine1","limits":{limits}}}}}"#)
    };
    let launch = |limits: &str| {
        let args = LAUNCH.replacen('{', &format!(r#"{{"limits":{limits},"#), 1);
        format!(r#"{{"id":1,"verb":"machine.launch","args":{args}}}"#)
    };
    for request in [&limit as &dyn Fn(&str) -> String, &launch] {
        let both = format!(r#"{{"cpu":{cpu},"disk":{disk}}}"#);
        for limits in ["{}", &both, &format!(r#"{{"cpu":{cpu}}}"#), &format!(r#"{{"disk":{disk}}}"#)] {
            ok(&request(limits));
        }
        for (from, to) in [
            ("150", "9"),
            ("150", "10001"),
            (r#""weight":100"#, r#""weight":0"#),
            (r#","weight":100"#, ""),
            (r#""bytesPerSecond":65536"#, r#""bytesPerSecond":65535"#),
            // A burst is no less than the rest.
            (r#""bytesPerSecond":65536"#, r#""bytesPerSecond":65537"#),
            (r#""burstOperationsPerSecond":20"#, r#""burstOperationsPerSecond":9"#),
            (r#""burstSeconds":1"#, r#""burstSeconds":61"#),
            (r#""burstSeconds":1"#, r#""burstSeconds":1,"memory":1"#),
        ] {
            let wrong = both.replacen(from, to, 1);
            assert_ne!(wrong, both);
            refused(&request(&wrong));
        }
    }
}

#[test]
fn memory_is_one_of_four_kinds_and_a_boot_needs_a_magic() {
    let magic = r#""magic":"00112233445566778899aabbccddeeff""#;
    // Something has to stand in its place.
    let none = r#""labels":{}"#;
    let restored = [r#"{"template":"0123456789abcdef"}"#, r#"{"save":"savesave"}"#];
    for memory in restored {
        ok(&launch_with(memory, magic));
        ok(&launch_with(memory, none));
    }
    for memory in [r#""plain""#, r#""template-source""#] {
        ok(&launch_with(memory, magic));
        refused(&launch_with(memory, none));
    }
    for memory in [
        r#""shared""#,
        r#"{"template":"../../0123456789"}"#,
        r#"{"save":"x"}"#,
        r#"{"path":"/etc/passwd"}"#,
        r#"{"template":"0123456789abcdef","save":"savesave"}"#,
        r#"{"plain":null,"x":1}"#,
        "null",
    ] {
        refused(&launch_with(memory, magic));
    }
    refused(r#"{"id":1,"verb":"disk.create","args":{"diskId":"disk0001"}}"#);
    refused(r#"{"id":1,"verb":"disk.create","args":{"diskId":"disk0001","sizeMib":64,"template":"0123456789abcdef"}}"#);
}

#[test]
fn a_refused_request_keeps_its_id() {
    assert_eq!(parse(br#"{"id":7,"verb":"nope","args":{}}"#).id, Some(7));
    assert_eq!(parse(b"nonsense").id, None);
}

proptest! {
    #[test]
    fn no_bytes_panic_the_parser(line in proptest::collection::vec(any::<u8>(), 0..512)) {
        let _ = parse(&line);
    }

    #[test]
    fn no_mutation_of_a_launch_panics_or_names_a_path(at in 0usize..200, byte in any::<u8>()) {
        let mut line = format!(r#"{{"id":1,"verb":"machine.launch","args":{LAUNCH}}}"#).into_bytes();
        if let Some(slot) = line.get_mut(at) { *slot = byte; }
        if let Ok(Request::MachineLaunch(launch)) = parse(&line).request {
            prop_assert!(!launch.machine_id.as_str().contains(['/', '.', '\0']));
            prop_assert!(!launch.image.as_str().contains(['/', '.', '\0']));
        }
    }
}

#[test]
fn a_caller_may_name_its_own_request() {
    let request_id = |line: &str| parse(line.as_bytes()).request_id.map(|id| id.to_string());
    assert_eq!(request_id(r#"{"id":1,"verb":"list","args":{},"request":"abc123"}"#), Some("abc123".to_owned()));
    assert_eq!(request_id(r#"{"id":1,"verb":"list","args":{}}"#), None);
    for wrong in ["", "A", "a b", "a\\n", "a23456789012345678901234567890123"] {
        let line = format!(r#"{{"id":1,"verb":"list","args":{{}},"request":"{wrong}"}}"#);
        assert!(parse(line.as_bytes()).request.is_err(), "{wrong}");
    }
}
