import { describe, expect, it } from "vitest";
import { defaultDevice, isDropping, listedChains, missingCapabilities, networkOf } from "./network-checks.ts";

it("what root may not do here is named", () => {
  const status = (bounding: string) => `Name:\tnode\nCapEff:\t0000000000000000\nCapBnd:\t${bounding}\nCapAmb:\t0\n`;
  expect(missingCapabilities(status("000001ffffffffff"))).toEqual([]);
  // Docker's default.
  expect(missingCapabilities(status("00000000a80425fb"))).toEqual(["CAP_NET_ADMIN", "CAP_SYS_ADMIN"]);
  expect(missingCapabilities(status("00000000a80435fb"))).toEqual(["CAP_SYS_ADMIN"]);
  expect(missingCapabilities("")).toEqual(["CAP_NET_ADMIN", "CAP_SYS_ADMIN"]);
});

describe("the device of the default route", () => {
  const table = (...routes: readonly string[]) =>
    ["Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT", ...routes, ""].join("\n");
  const route = (device: string, metric: number, { flags = "0003", to = "00000000" } = {}) =>
    `${device}\t${to}\t010200C0\t${flags}\t0\t0\t${metric}\t${to}\t0\t0\t0      `;

  it("is that of the least metric", () => {
    expect(defaultDevice(table(route("wlan0", 600), route("eth0", 100), route("tun0", 200)))).toBe("eth0");
  });

  it("is not that of a route to another network, of one that is down, nor of one that refuses", () => {
    const others = [route("eth0", 0, { to: "000200C0" }), route("eth1", 0, { flags: "0002" })];
    expect(defaultDevice(table(...others, route("*", 0, { flags: "0201" })))).toBeNull();
    expect(defaultDevice(table())).toBeNull();
    expect(defaultDevice("")).toBeNull();
  });
});

it("chains that drop what is forwarded are those of IPv4's hook with that policy", () => {
  const chain = (family: string, name: string, hook?: string, policy?: string) => ({
    chain: { family, table: "filter", name, handle: 1, ...(hook && { type: "filter", hook, prio: 0, policy }) },
  });
  const chains = [
    { metainfo: { version: "1.0.6", release_name: "Lester Gooch #5", json_schema_version: 1 } },
    chain("ip", "FORWARD", "forward", "drop"),
    chain("ip", "INPUT", "input", "drop"),
    chain("ip", "DOCKER-USER"),
    chain("ip6", "FORWARD", "forward", "drop"),
    chain("inet", "open", "forward", "accept"),
    chain("inet", "closed", "forward", "drop"),
  ];
  const found = listedChains(JSON.stringify({ nftables: chains })).filter(isDropping);
  expect(found.map(({ family, name }) => `${family} ${name}`)).toEqual(["ip FORWARD", "inet closed"]);
});

describe("what the daemon says of its networks", () => {
  const status = {
    ...{ isAvailable: true, reason: null, uplink: "eth0", range: "10.64.0.0/20", freeSlots: 8, attachedSlots: 3 },
  };

  it("is good with an uplink", () => {
    expect(networkOf(status)).toEqual({
      ...{ name: "networks", status: "ok", fix: null },
      text: "slots of 10.64.0.0/20, 3 in use and 8 ready; uplink eth0",
    });
  });

  it("is a loss without, or where there are none", () => {
    expect(networkOf({ ...status, uplink: null })).toMatchObject({
      status: "warn",
      text: expect.stringMatching("not there"),
    });
    const off = { ...status, isAvailable: false, reason: "nft is not installed", uplink: null, range: null };
    expect(networkOf(off)).toMatchObject({
      ...{ status: "warn", text: "guests have their loopback alone: nft is not installed" },
      fix: expect.stringMatching("microterm up"),
    });
  });
});
