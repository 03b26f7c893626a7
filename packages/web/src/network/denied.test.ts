import type { NetworkDenial } from "@microterm/protocol";
import { expect, it } from "vitest";
import { countsOf, latestSince, ruleOf, targetWords } from "./denied.ts";

const denial = (over: Partial<NetworkDenial> = {}): NetworkDenial => ({
  name: null,
  address: "203.0.113.9",
  protocol: "tcp",
  port: 443,
  count: 1,
  by: "policy",
  ...over,
});
const named = denial({ name: "example.com", address: null });
const UNTIL = "2026-11-29T12:00:00.000Z";

it("makes of a denial the rule for exactly its target, protocol and port", () => {
  expect(ruleOf(named, undefined)).toEqual({ domain: "example.com", protocol: "tcp", ports: [443] });
  expect(ruleOf(denial({ protocol: "udp", port: 53 }), UNTIL)).toEqual({
    cidr: "203.0.113.9/32",
    protocol: "udp",
    ports: [53],
    expiresAt: UNTIL,
  });
});

it("makes no rule of what no policy allows, of what has no port, and of a name that is no domain", () => {
  expect(ruleOf(denial({ by: "bounds" }), undefined)).toBeNull();
  expect(ruleOf(denial({ protocol: "icmp", port: null }), undefined)).toBeNull();
  for (const name of ["_sip.example.com", "*", "example.com\u202e", "203.0.113.9"]) {
    expect(ruleOf(denial({ name, address: null }), undefined)).toBeNull();
  }
});

it("says what was refused, without control characters of the guest's", () => {
  expect(targetWords(named)).toBe("example.com:443");
  expect(targetWords(denial({ protocol: "udp", port: 53 }))).toBe("203.0.113.9:53/udp");
  expect(targetWords(denial({ protocol: "icmp", port: null }))).toBe("203.0.113.9 (icmp)");
  expect(targetWords(denial({ name: "a\u202eb\x1b[31m.example", address: null }))).toBe("ab.example:443");
});

it("finds the last one that is new or was counted again", () => {
  const other = denial({ port: 80 });
  const seen = countsOf([other, named]);
  expect(latestSince(seen, [other, named])).toBeNull();
  expect(latestSince(seen, [{ ...other, count: 2 }, named])).toEqual({ ...other, count: 2 });
  expect(latestSince(seen, [named, denial({ port: 22 }), other])).toEqual(denial({ port: 22 }));
});
