import { describe, expect, it } from "vitest";
import { podPlaceOf } from "../server/cluster-options.ts";
import { readDownOptions, readImageOptions, readSetupOptions, readUpOptions } from "./options.ts";
import { readDoctorOptions, readReportOptions } from "./report-options.ts";

describe("the options of up", () => {
  it("have a port, a driver that isolates, and the foreground by default", () => {
    expect(readUpOptions([])).toMatchObject({ port: 7681, driver: "auto", detach: false });
    expect(readUpOptions([])).toMatchObject({ pool: 2, idleTimeout: 0, ttl: 0 });
  });

  it("name a cluster, and what its pods are made of", () => {
    const cluster = ["--kubeconfig", "/k", "--namespace", "n", "--image", "r.example.org/m:1"];
    expect(readUpOptions(["--driver", "kubernetes", ...cluster]).cluster.flat()).toEqual(cluster);
    const insecure = ["--driver", "kubernetes", ...cluster, "--insecure-no-network-policy"];
    expect(readUpOptions(insecure).cluster.flat()).toEqual([...cluster, "--insecure-no-network-policy", "true"]);
    expect(readUpOptions(["--driver", "kubernetes", ...cluster, "--allow-private", "10.0.0.0/8"])).toMatchObject({
      allowPrivate: ["10.0.0.0/8"],
    });
    expect(() => readUpOptions(["--driver", "kubernetes"])).toThrow("needs --image");
    expect(() => readUpOptions(cluster)).toThrow("--kubeconfig is for --driver kubernetes");
  });

  it("name a fleet, whose machines every server reaches", () => {
    const cluster = ["--driver", "kubernetes", "--image", "r.example.org/m:1"];
    const fleet = ["--fleet", "192.0.2.7:7690", "--identity", "/k"];
    expect(readUpOptions([...cluster, ...fleet]).fleet.flat()).toEqual(fleet);
    expect(readUpOptions(cluster).fleet).toEqual([]);
    expect(() => readUpOptions(fleet)).toThrow("those of --driver kubernetes");
    expect(() => readUpOptions([...cluster, "--fleet", "192.0.2.7:7690"])).toThrow("needs --identity FILE");
    expect(() => readUpOptions([...cluster, "--fleet", "here", "--identity", "/k"])).toThrow("--fleet here");
    expect(() => readUpOptions([...cluster, "--identity", "/k"])).toThrow("--identity is for --fleet");
  });

  it.each(["auto", "firecracker", "qemu", "process"])("take the driver %s", (driver) => {
    expect(readUpOptions(["--driver", driver]).driver).toBe(driver);
  });

  it.each([["70000"], ["-1"], ["x"], ["1.5"]])("refuse port %s with the value", (port) => {
    expect(() => readUpOptions([`--port=${port}`])).toThrow(port);
  });

  it("say how the server is reached from beyond its host, as it takes it", () => {
    expect(readUpOptions([]).listen).toEqual([]);
    const url = "https://term.example.org";
    const tls = ["--listen", "0.0.0.0", "--tls-cert", "/c.pem", "--tls-key", "/k.pem", "--public-url", `${url}/`];
    expect(readUpOptions(tls).listen.flat().toSorted()).toEqual(tls.with(7, url).toSorted());
    const proxied = ["--public-url", url, "--trust-proxy", "127.0.0.1", "--preview-domain", "previews.example.net"];
    expect(readUpOptions(proxied).listen).toEqual([
      ["--public-url", url],
      ["--trust-proxy", "127.0.0.1"],
    ]);
    expect(() => readUpOptions(["--listen", "0.0.0.0"])).toThrow("--listen 0.0.0.0 needs TLS");
    expect(() => readUpOptions(["--listen", "x", "--public-url", "y"])).toThrow(
      /--listen x must.*\n--public-url y must/,
    );
    expect(() => readUpOptions(["--listen", "0.0.0.0", "--tls-key", "k"])).toThrow(/two halves.*\n.*is missing/);
  });

  it("have a pool and times with units", () => {
    const options = readUpOptions(["--pool", "0", "--idle-timeout", "30m", "--ttl", "8h"]);
    expect(options).toMatchObject({ pool: 0, idleTimeout: 1800, ttl: 28_800 });
    expect(readUpOptions([]).overcommit).toBeNull();
    expect(readUpOptions(["--overcommit", "disk=2"]).overcommit).toEqual({ cpu: 16, memory: 2, disk: 2 });
    expect(() => readUpOptions(["--overcommit", "disk=0"])).toThrow("--overcommit disk=0");
    const cluster = ["--driver", "kubernetes", "--image", "r.example.org/m:1", "--overcommit"];
    expect(readUpOptions([...cluster, "cpu=4"]).overcommit).toEqual({ cpu: 4, memory: 1, disk: 1 });
    expect(() => readUpOptions([...cluster, "memory=2"])).toThrow("CPUs alone");
    expect(() => readUpOptions(["--pool", "many"])).toThrow("--pool many");
    expect(readUpOptions(["--anonymous-links", "editor"]).anonymousLinks).toBe("editor");
    expect(() => readUpOptions(["--anonymous-links", "all"])).toThrow("is none of off, viewer, editor");
    expect(readUpOptions(["--scrollback", "0"]).scrollback).toBe(0);
    expect(readUpOptions([])).toMatchObject({ auditDays: null, auditArguments: false });
    expect(readUpOptions(["--audit-days", "0", "--audit-arguments"])).toMatchObject({
      auditDays: 0,
      auditArguments: true,
    });
    expect(() => readUpOptions(["--audit-days", "-1"])).toThrow("--audit-days");
    expect(() => readUpOptions(["--audit-days", "99999"])).toThrow("--audit-days 99999 is not a number of days");
    expect(readUpOptions([])).toMatchObject({ logLevel: "info", metrics: null });
    expect(readUpOptions(["--log-level", "debug", "--metrics", "7690"])).toMatchObject({
      logLevel: "debug",
      metrics: 7690,
    });
    expect(readUpOptions([]).localAccounts).toBeNull();
    expect(readUpOptions(["--local-accounts", "off"]).localAccounts).toBe("off");
    expect(() => readUpOptions(["--local-accounts", "no"])).toThrow("--local-accounts no is neither on nor off");
    expect(() => readUpOptions(["--log-level", "loud"])).toThrow("--log-level loud is none of trace, debug");
    expect(() => readUpOptions(["--metrics", "70000"])).toThrow("--metrics 70000");
    expect(() => readUpOptions(["--scrollback", "10001"])).toThrow("--scrollback 10001 is not a number of rows");
    expect(() => readUpOptions(["--ttl", "8"])).toThrow("--ttl 8");
    expect(() => readUpOptions(["--idle-timeout", "9999d"])).toThrow("--idle-timeout 9999d");
  });

  it("have a network, an uplink and private networks as they are asked for", () => {
    expect(readUpOptions([])).toMatchObject({ network: null, uplink: null, allowPrivate: [] });
    const args = ["--network", "none", "--uplink", "eth0.100", "--allow-private", "10.1.0.0/16"];
    expect(readUpOptions([...args, "--allow-private=192.168.7.9"])).toMatchObject({
      network: "none",
      uplink: "eth0.100",
      allowPrivate: ["10.1.0.0/16", "192.168.7.9/32"],
    });
    expect(() => readUpOptions(["--network", "allowlist"])).toThrow("--network allowlist is none of none, open");
  });

  it.each(["", "sixteen-letters-", "a/b", "..", "eth0 ", "eth0\n", '"', "bücher"])("refuse the uplink %j", (device) => {
    expect(() => readUpOptions([`--uplink=${device}`])).toThrow("is no name of a network device");
  });

  it.each([
    ["10.1.2.3/16", "must be the first address of its range"],
    ["10.0.0.0/33", "must be an IPv4 address or range"],
    ["fd00::/8", "must be an IPv4 address or range"],
    ["", "must be an IPv4 address or range"],
    ["10.0.0.0/8,127.0.0.0/8", "--allow-private"],
  ])("refuse the private network %j", (cidr, why) => {
    expect(() => readUpOptions([`--allow-private=${cidr}`])).toThrow(why);
  });

  it("take a network's options for machines alone", () => {
    const args = ["--driver", "process"];
    expect(() => readUpOptions([...args, "--uplink", "eth0"])).toThrow("--driver process has no networks");
    expect(() => readUpOptions([...args, "--allow-private", "10.0.0.0/8"])).toThrow("--driver process has no networks");
  });

  it("refuse what they don't know", () => {
    expect(() => readUpOptions(["--prot", "1"])).toThrow("--prot");
    expect(() => readUpOptions(["--driver", "docker"])).toThrow("docker");
    expect(() => readUpOptions(["stray"])).toThrow("stray");
  });
});

it("down keeps the disks unless it is told to destroy", () => {
  expect(readDownOptions([])).toMatchObject({ destroy: false, yes: false });
  expect(readDownOptions(["--destroy", "-y", "--data", "d"])).toEqual({
    ...{ data: "d", destroy: true, yes: true, rootFollows: false },
  });
});

it("reports are text or JSON", () => {
  expect(readReportOptions(["-o", "json"]).output).toBe("json");
  expect(() => readReportOptions(["-o", "xml"])).toThrow("xml");
});

it("setup is told what to set up", () => {
  expect(readSetupOptions(["firecracker"])).toBe("firecracker");
  for (const args of [[], ["qemu"], ["firecracker", "qemu"], ["--force"]])
    expect(() => readSetupOptions(args)).toThrow("setup takes the name");
});

describe("the options of image", () => {
  it("are what is done and its name", () => {
    expect(readImageOptions(["push", "r.example.org:5000/a/b:1"])).toEqual({
      ...{ action: "push", of: "environments", name: "r.example.org:5000/a/b:1" },
    });
    expect(readImageOptions(["export", "/tmp/x.tar"])).toEqual({
      ...{ action: "export", of: "environments", name: "localhost/microterm:latest", file: "/tmp/x.tar" },
    });
    expect(readImageOptions(["export", "--server", "/tmp/x.tar"])).toEqual({
      ...{ action: "export", of: "server", name: "localhost/microterm-server:latest", file: "/tmp/x.tar" },
    });
  });

  it.each([[[]], [["export"]], [["push", "Not A Name"]], [["push", "a/b", "c"]], [["export", "f", "--name", "x"]]])(
    "refuse %j",
    (args) => {
      expect(() => readImageOptions(args)).toThrow(/image/);
    },
  );
});

describe("the options of doctor", () => {
  it("name a cluster, or leave it to those of the last up", () => {
    const cluster = ["--driver", "kubernetes", "--kubeconfig", "/k", "--image", "r.example.org/m:1"];
    expect(readDoctorOptions(cluster).cluster).toEqual(cluster);
    expect(readDoctorOptions([]).cluster).toEqual([]);
    expect(podPlaceOf(cluster)).toEqual({
      ...{ kubeConfigFile: "/k", namespace: "default", image: "r.example.org/m:1", runtimeClass: "kata" },
      cpuOvercommit: 1,
      volumes: null,
    });
    expect(podPlaceOf([...cluster, "--runtime-class", ""])).toMatchObject({ runtimeClass: null });
    const volumesOf = (name: string) => podPlaceOf([...cluster, "--storage-class", name])?.volumes;
    expect(["", "fast", "cluster-default"].map(volumesOf)).toEqual([
      null,
      { storageClass: "fast" },
      { storageClass: null },
    ]);
    expect(podPlaceOf(["--driver", "qemu", "--image", "key"])).toBeNull();
  });

  it("know no other driver", () => {
    expect(() => readDoctorOptions(["--driver", "qemu"])).toThrow("--driver qemu");
    expect(() => readDoctorOptions(["--image", "r.example.org/m:1"])).toThrow("--image is for --driver kubernetes");
  });
});
