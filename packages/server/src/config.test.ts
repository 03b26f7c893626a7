import { tmpdir } from "node:os";
import { describe, expect, it } from "vitest";
import { ConfigError, DriverConfig, readConfig } from "./config.ts";

const DATA = tmpdir();
const QEMU = ["--data", DATA, "--driver", "qemu", "--image", "0123456789abcdef", "--accelerator", "tcg"];
const KUBERNETES = ["--data", DATA, "--driver", "kubernetes", "--image", "r.example.org/m:1"];
const faults = (args: readonly string[], env: NodeJS.ProcessEnv = {}): string => {
  try {
    readConfig(args, env);
    return "";
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).message;
  }
};

describe("the configuration", () => {
  it("is read from the arguments, with defaults, and frozen", () => {
    const config = readConfig([...QEMU, "--accelerator-reason", "no /dev/kvm"], {});
    expect(config).toMatchObject({ data: DATA, driver: "qemu", port: 7681, log: "file", testFaults: false });
    expect(config).toMatchObject({ accelerator: "tcg", acceleratorReason: "no /dev/kvm" });
    expect(readConfig([...QEMU, "--templates", "--pool", "2", "--templates=false"], {}).templates).toBe(false);
    expect(config).toMatchObject({ pool: 0, idleTimeout: 0, ttl: 0, overcommit: { cpu: 16, memory: 2, disk: 1 } });
    expect(readConfig([...QEMU, "--overcommit", "disk=1.5"], {}).overcommit.disk).toBe(1.5);
    const cluster = ["--driver", "kubernetes", "--image", "r/m:1"];
    expect(readConfig(cluster, {}).overcommit).toEqual({ cpu: 1, memory: 1, disk: 1 });
    expect(readConfig([...cluster, "--overcommit", "cpu=4"], {}).overcommit.cpu).toBe(4);
    expect(() => readConfig([...cluster, "--overcommit", "memory=2"], {})).toThrow("CPUs alone");
    expect(config.allowPrivate).toEqual([]);
    const allowPrivate = ["--allow-private", "192.168.7.0/24,10.9.9.9"];
    expect(readConfig([...QEMU, ...allowPrivate], {}).allowPrivate).toEqual(["192.168.7.0/24", "10.9.9.9/32"]);
    expect(Object.isFrozen(config)).toBe(true);
  });

  it("is told to make pods that nothing holds to their policies, and is remembered so", () => {
    const config = readConfig([...KUBERNETES, "--insecure-no-network-policy", "true"], {});
    expect(DriverConfig.parse(DriverConfig.parse(config))).toMatchObject({ insecureNoNetworkPolicy: true });
    expect(DriverConfig.parse(readConfig(KUBERNETES, {}))).toMatchObject({ insecureNoNetworkPolicy: false });
  });

  it("has no accelerator to choose where there is KVM alone", () => {
    const args = ["--data", DATA, "--driver", "firecracker", "--image", "0123456789abcdef"];
    const config = readConfig([...args, "--driver-reason", "it is there"], {});
    expect(config).toMatchObject({ driver: "firecracker", image: "0123456789abcdef", driverReason: "it is there" });
    expect(faults([...args, "--accelerator", "kvm"])).toBe("--accelerator does not belong to this driver");
  });

  it("has a fleet where all servers share a database, a key and machines", () => {
    const identity = ["--identity", `${DATA}/identity.json`];
    const fleet = ["--fleet", "[2001:db8::7]:7690", ...identity];
    const env = { DATABASE_URL: "postgresql://u@h/d" };
    expect(readConfig([...KUBERNETES, ...fleet], env)).toMatchObject({ fleet: { address: "2001:db8::7", port: 7690 } });
    expect(faults([...KUBERNETES, ...fleet.slice(0, 2)], env)).toContain("--fleet needs --identity FILE");
    expect(faults([...QEMU, ...fleet])).toMatch(/DATABASE_URL[^\n]*\n.*--driver qemu/);
    for (const address of ["0.0.0.0:7690", "192.0.2.7", "[::]:7690", "name:7690", "192.0.2.7:0"])
      expect(faults([...KUBERNETES, "--fleet", address, ...identity], env)).toContain(
        "--fleet: must be the IP address",
      );
    expect(readConfig([...KUBERNETES, ...identity], {}).identity).toBe(`${DATA}/identity.json`);
  });

  it("takes the data folder from the environment when no option says", () => {
    expect(readConfig(QEMU.slice(2), { MICROTERM_DATA: "/srv/data" }).data).toBe("/srv/data");
  });

  it("has all its faults reported at once", () => {
    const text = faults([
      "--data",
      DATA,
      "--driver",
      "process",
      "--port",
      "99999",
      "--image",
      "x",
      "--nonsense=1",
      "stray",
    ]);
    expect(text.split("\n").length).toBe(5);
    for (const word of ["--port", "--image", "--agent is missing", "--nonsense", "'stray'"])
      expect(text).toContain(word);
  });

  it("takes a cluster by its kubeconfig, or is in one", () => {
    expect(readConfig(KUBERNETES, {})).toMatchObject({
      namespace: "default",
      runtimeClass: "kata",
      image: "r.example.org/m:1",
    });
    expect(readConfig(KUBERNETES, {})).not.toHaveProperty("kubeconfig");
    expect(readConfig([...KUBERNETES, "--runtime-class", ""], {})).toMatchObject({ runtimeClass: "" });
  });

  it("says how the server is reached from beyond its host, and what of that does not fit together", () => {
    const url = "https://term.example.org";
    const proxied = ["--public-url", `${url}/`, "--trust-proxy", "127.0.0.1,10.0.0.0/8", "--listen", "[::]:8080"];
    const listen = { address: "::", port: 8080 };
    expect(readConfig([...QEMU, ...proxied], {})).toMatchObject({
      ...{ listen, publicUrl: url, trustProxy: ["127.0.0.1", "10.0.0.0/8"] },
    });
    expect(readConfig(QEMU, {})).toMatchObject({ trustProxy: [] });
    const text = faults([...QEMU, "--listen", "0.0.0.0", "--tls-key", DATA, "--port", "x"]);
    expect(text).toMatch(/--port/);
    expect(faults([...QEMU, "--listen", "0.0.0.0", "--tls-key", DATA]).split("\n")).toHaveLength(2);
  });

  it.each([
    [[...QEMU, "--listen", "eth0"], "--listen: must be an IP address of this host"],
    [[...QEMU, "--listen", "0.0.0.0"], "--listen 0.0.0.0 needs TLS"],
    [[...QEMU, "--public-url", "http://a"], "--public-url: must be like https://"],
    [[...QEMU, "--trust-proxy", "0.0.0.0/0"], "--trust-proxy: must be addresses or ranges of proxies"],
    [[...QEMU, "--tls-cert", "/no/such"], "--tls-cert: does not exist"],
    [["--data", DATA], "--driver must be process, qemu, firecracker or kubernetes"],
    [["--data", DATA, "--driver", "docker"], "--driver must be process, qemu, firecracker or kubernetes"],
    [[...QEMU, "--port", "-1"], "--port"],
    [[...QEMU, "--port", "80.5"], "--port"],
    [[...QEMU, "--log", "syslog"], "--log"],
    [[...QEMU, "--pool", "-1"], "--pool: must be a number from 0 to 100"],
    [[...QEMU, "--idle-timeout", "30m"], "--idle-timeout"],
    [[...QEMU, "--allow-private", "10.0.0.1/8"], "must be the first address of its range"],
    [[...QEMU, "--allow-private", "10.0.0.0/8,"], "must be an IPv4 address or range"],
    [[...QEMU, "--fault", "x"], "--fault is not an option"],
    [[...QEMU, "--image", "../../etc"], "--image"],
    [["--data", DATA, "--driver", "process", "--agent", "/no/such"], "--agent: does not exist"],
    [["--data", DATA, "--driver", "kubernetes"], "--image is missing"],
    [[...KUBERNETES, "--namespace", "a b"], "--namespace: must be the name of a namespace"],
    [[...KUBERNETES, "--runtime-class", "Kata"], "--runtime-class: must be the name of a RuntimeClass"],
    [[...KUBERNETES, "--kubeconfig", "/no/such"], "--kubeconfig: does not exist"],
    [[...KUBERNETES, "--agent", DATA], "--agent does not belong to this driver"],
  ])("refuses %j", (args, expected) => {
    expect(faults(args)).toContain(expected);
  });

  it("lets a fault point be named only where tests asked for it", () => {
    expect(faults(QEMU, { MICROTERM_FAULT: "create.row" })).toContain("--test-faults");
    expect(readConfig([...QEMU, "--test-faults"], { MICROTERM_FAULT: "create.row" }).fault).toBe("create.row");
  });
});
