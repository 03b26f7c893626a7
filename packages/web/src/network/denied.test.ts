import type { AllowRule, NetworkDenial } from "@microterm/protocol";
import { expect, it } from "vitest";
import {
  countsOf,
  inOrder,
  isAllowedBy,
  latestSince,
  noRuleWords,
  ruleOf,
  shortTarget,
  subjectOf,
  targetWords,
} from "./denied.ts";

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
  expect(ruleOf(denial({ port: 0 }), undefined)).toBeNull();
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

it("leaves the end of a long target, which says whose it is", () => {
  expect(shortTarget("files.pythonhosted.org:443")).toBe("files.pythonhosted.org:443");
  const short = shortTarget(`${"login.your-bank.example.".repeat(9)}attacker.example:8443`);
  expect(short).toHaveLength(44);
  expect(short).toMatch(/^login.your-….*attacker.example:8443$/);
});

it("finds the last one that is new or was counted again", () => {
  const other = denial({ port: 80 });
  const seen = countsOf([other, named]);
  expect(latestSince(seen, [other, named])).toBeNull();
  expect(latestSince(seen, [{ ...other, count: 2 }, named])).toEqual({ ...other, count: 2 });
  expect(latestSince(seen, [named, denial({ port: 22 }), other])).toEqual(denial({ port: 22 }));
});

const namedOf = (name: string, over: Partial<NetworkDenial> = {}) => denial({ name, address: null, ...over });

it("leaves what is shown where it is, and puts the most frequent of the rest behind it", () => {
  const [a, b, c] = [denial({ port: 1 }), denial({ port: 2, count: 5 }), denial({ port: 3, count: 9 })];
  expect(inOrder([], [a, b, c])).toEqual([c, b, a]);
  const grown = { ...a, count: 100 };
  expect(inOrder([b, a].map(subjectOf), [c, grown, b])).toEqual([b, grown, c]);
});

it.each<[AllowRule, NetworkDenial, boolean]>([
  [{ domain: "example.com" }, namedOf("example.com"), true],
  [{ domain: "example.com" }, namedOf("example.com", { port: 22 }), false],
  [
    { domain: "example.com", ports: [53], protocol: "udp" },
    namedOf("example.com", { port: 53, protocol: "udp" }),
    true,
  ],
  [{ domain: "*.example.com" }, namedOf("a.example.com"), true],
  [{ domain: "*.example.com" }, namedOf("example.com"), false],
  [{ domain: "*.example.com" }, namedOf("notexample.com"), false],
  [{ cidr: "0.0.0.0/0" }, namedOf("example.com"), false],
  [{ cidr: "203.0.113.0/24" }, denial({ protocol: "icmp", port: null }), true],
  [{ cidr: "203.0.113.0/24", protocol: "udp" }, denial(), false],
  [{ cidr: "203.0.113.0/24", ports: [443] }, denial({ address: "203.0.114.0" }), false],
  [{ cidr: "203.0.113.0/24", ports: [443] }, denial({ address: "203.0.113.255" }), true],
  [{ cidr: "0.0.0.0/0" }, denial({ by: "bounds" }), false],
])("%j allows %j: %s", (rule, refused, isAllowed) => {
  expect(isAllowedBy({ mode: "allowlist", allow: [rule] }, refused, 0)).toBe(isAllowed);
  const over = { ...rule, expiresAt: new Date(0).toISOString() };
  expect(isAllowedBy({ mode: "allowlist", allow: [over] }, refused, 0)).toBe(false);
});

it("knows what a policy without rules allows, and what none does", () => {
  expect(isAllowedBy({ mode: "open" }, denial(), 0)).toBe(true);
  expect(isAllowedBy({ mode: "open" }, denial({ by: "bounds" }), 0)).toBe(false);
  expect(isAllowedBy({ mode: "none" }, denial(), 0)).toBe(false);
  expect(noRuleWords(denial({ by: "bounds" }))).toBe("No policy allows it");
  expect(noRuleWords(denial({ port: null }))).toContain("without ports");
  expect(noRuleWords(namedOf("_sip.example.com"))).toBe("No rule can name it");
});
