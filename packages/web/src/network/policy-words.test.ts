import type { AllowRule, NetworkPolicy } from "@microterm/protocol";
import { expect, it } from "vitest";
import {
  lackWords,
  leftWords,
  networkWords,
  portsWords,
  reachWords,
  rulesAt,
  targetOf,
  unenforcedWords,
} from "./policy-words.ts";

const NOW = Date.parse("2026-11-29T10:00:00.000Z");
const at = (seconds: number): string => new Date(NOW + seconds * 1000).toISOString();
const VM = { isolation: "vm" } as const;
const list = (...allow: AllowRule[]): NetworkPolicy => ({ mode: "allowlist", allow });
const over: AllowRule = { domain: "old.example", expiresAt: at(0) };
const soon: AllowRule = { domain: "new.example", expiresAt: at(90) };

it("counts only the rules whose time is not over", () => {
  expect(rulesAt(list(over, soon), NOW)).toEqual([soon]);
  expect(networkWords(list(over, soon), VM, NOW)).toBe("allowlist (1)");
  expect(reachWords(list(over, soon), null, NOW)).toBe("It reaches what its allowlist names, and nothing else.");
  expect(reachWords(list(over), null, NOW)).toBe("It reaches nothing yet: its allowlist is empty.");
  expect(networkWords({ mode: "open" }, VM, NOW)).toBe("open");
});

it("says where nothing holds environments to a policy", () => {
  expect([unenforcedWords(undefined), unenforcedWords({ isNetworkEnforced: true })]).toEqual([null, null]);
  expect(unenforcedWords({ isNetworkEnforced: false })).toContain("not enforced here");
});

it("names the shared network beside what a policy lets it reach", () => {
  expect(reachWords({ mode: "none" }, null, NOW)).toBe("It reaches nothing.");
  expect(reachWords({ mode: "none" }, "team", NOW)).toBe("It reaches the members of team, and nothing else.");
  expect(reachWords({ mode: "open" }, "team", NOW)).toBe("It reaches the internet and the members of team.");
  expect(reachWords(list(over), "team", NOW)).toBe(
    "It reaches the members of team, and nothing else yet: its allowlist is empty.",
  );
  expect(reachWords(list(soon), "team", NOW)).toBe(
    "It reaches what its allowlist names and the members of team, and nothing else.",
  );
});

it("says of an environment without a network why it has none, and of a host's process what is true", () => {
  const without = { networkModes: [], networkReason: "nft is not there" };
  const withModes = { networkModes: ["none", "open"] as const, networkReason: null };
  expect(lackWords({ network: { mode: "none" }, ...VM }, without)).toBeNull();
  expect(lackWords({ network: null, ...VM }, without)?.[1]).toBe(
    "Networks can't be had on this host: nft is not there.",
  );
  expect(
    lackWords({ network: null, ...VM }, { ...withModes, networkModes: [...withModes.networkModes] })?.[1],
  ).toContain("create another one");
  expect(networkWords(null, VM, NOW)).toBe("loopback only");
  expect(networkWords(null, { isolation: "none" }, NOW)).toBe("the host's");
  expect(lackWords({ network: null, isolation: "none" }, without)?.[0]).toContain("reach what the host reaches");
});

it.each<[AllowRule, string, string, string | null]>([
  [{ domain: "*.example.com" }, "*.example.com", "TCP 80, 443", null],
  [{ domain: "example.com", ports: [53], protocol: "udp" }, "example.com", "UDP 53", null],
  [{ cidr: "203.0.113.9/32", ports: [22], expiresAt: at(2520) }, "203.0.113.9", "TCP 22", "42 min left"],
  [{ cidr: "203.0.113.0/24", expiresAt: at(59) }, "203.0.113.0/24", "every port", "59 s left"],
  [{ cidr: "203.0.113.0/24", protocol: "udp", ports: [] }, "203.0.113.0/24", "every UDP port", null],
])("shows %j", (rule, target, ports, left) => {
  expect([targetOf(rule), portsWords(rule), leftWords(rule, NOW)]).toEqual([target, ports, left]);
});
