import { expect, it } from "vitest";
import { createCeiling } from "./address-ceiling.ts";

const isBeyondCeiling = createCeiling();

/** The first and the last address of each range, and their neighbours outside. */
const RANGES: readonly (readonly [string, string, string, string | null, string | null])[] = [
  ["this network", "0.0.0.0", "0.255.255.255", null, "1.0.0.0"],
  ["private", "10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0"],
  ["shared by providers", "100.64.0.0", "100.127.255.255", "100.63.255.255", "100.128.0.0"],
  ["loopback", "127.0.0.0", "127.255.255.255", "126.255.255.255", "128.0.0.0"],
  ["link-local, metadata", "169.254.0.0", "169.254.255.255", "169.253.255.255", "169.255.0.0"],
  ["private", "172.16.0.0", "172.31.255.255", "172.15.255.255", "172.32.0.0"],
  ["protocol assignments", "192.0.0.0", "192.0.0.255", "191.255.255.255", "192.0.1.0"],
  ["documentation", "192.0.2.0", "192.0.2.255", "192.0.1.255", "192.0.3.0"],
  ["6to4 relays", "192.88.99.0", "192.88.99.255", "192.88.98.255", "192.88.100.0"],
  ["private", "192.168.0.0", "192.168.255.255", "192.167.255.255", "192.169.0.0"],
  ["benchmarks, denied names", "198.18.0.0", "198.19.255.255", "198.17.255.255", "198.20.0.0"],
  ["documentation", "198.51.100.0", "198.51.100.255", "198.51.99.255", "198.51.101.0"],
  ["documentation", "203.0.113.0", "203.0.113.255", "203.0.112.255", "203.0.114.0"],
  ["multicast to broadcast", "224.0.0.0", "255.255.255.255", "223.255.255.255", null],
  ["Azure's own services", "168.63.129.16", "168.63.129.16", "168.63.129.15", "168.63.129.17"],
];

it.each(RANGES)("%s: from %s to %s", (_name, first, last, before, after) => {
  expect([isBeyondCeiling(first), isBeyondCeiling(last)]).toEqual([true, true]);
  for (const outside of [before, after]) if (outside !== null) expect(isBeyondCeiling(outside)).toBe(false);
});

it("addresses of the internet are below it", () => {
  for (const address of ["1.1.1.1", "8.8.8.8", "93.184.215.14", "151.101.1.69"])
    expect(isBeyondCeiling(address)).toBe(false);
});

it("an operator opens private networks and nothing else", () => {
  const withOffice = createCeiling(["192.168.7.0/24", "10.9.9.9/32"]);
  for (const address of ["192.168.7.0", "192.168.7.255", "10.9.9.9", "1.1.1.1"])
    expect(withOffice(address)).toBe(false);
  for (const address of ["192.168.6.255", "192.168.8.0", "10.9.9.10", "172.16.0.1"])
    expect(withOffice(address)).toBe(true);
  const withAll = createCeiling(["0.0.0.0/0"]);
  for (const address of ["10.0.0.1", "100.64.0.1", "192.168.1.1"]) expect(withAll(address)).toBe(false);
  for (const address of [
    ...["0.0.0.0", "127.0.0.1", "169.254.169.254", "169.254.53.53", "100.100.100.200", "168.63.129.16", "192.0.0.2"],
    ...["198.18.0.1", "224.0.0.1", "255.255.255.255", "::1"],
  ]) {
    expect(withAll(address), address).toBe(true);
  }
});

it("what is no IPv4 address is beyond it, in whatever notation", () => {
  for (const text of [
    "",
    "::1",
    "::ffff:8.8.8.8",
    "2606:4700::1111",
    "8.8.8",
    "010.1.1.1",
    "0x8.8.8.8",
    "134744072",
    "8.8.8.8 ",
  ]) {
    expect(isBeyondCeiling(text)).toBe(true);
  }
});
