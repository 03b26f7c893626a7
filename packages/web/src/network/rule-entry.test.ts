import { AllowRule } from "@microterm/protocol";
import fc from "fast-check";
import { expect, it } from "vitest";
import { allowWords, isFault, type RuleEntry, readRule } from "./rule-entry.ts";

const NOW = Date.parse("2026-11-29T10:00:00.000Z");
const entry = (over: Partial<RuleEntry>): RuleEntry => ({ target: "", ports: "", protocol: "", seconds: 0, ...over });
const read = (over: Partial<RuleEntry>) => readRule(entry(over), NOW);

it.each<[Partial<RuleEntry>, AllowRule]>([
  [{ target: " Example.com " }, { domain: "example.com" }],
  [
    { target: "*.debian.org", ports: "80, 443 80" },
    { domain: "*.debian.org", ports: [80, 443] },
  ],
  [{ target: "example.com:443" }, { domain: "example.com", ports: [443] }],
  [{ target: "203.0.113.7" }, { cidr: "203.0.113.7/32" }],
  [
    { target: "203.0.113.0/24", protocol: "udp", ports: "53" },
    { cidr: "203.0.113.0/24", protocol: "udp", ports: [53] },
  ],
  [
    { target: "example.com", seconds: 3600 },
    { domain: "example.com", expiresAt: "2026-11-29T11:00:00.000Z" },
  ],
])("reads %j", (given, rule) => {
  expect(read(given)).toEqual(rule);
});

it.each<[Partial<RuleEntry>, string, string]>([
  [{}, "target", "Enter a domain such as example.com"],
  [{ target: "https://example.com/a" }, "target", "the domain alone"],
  [{ target: "2001:db8::/32" }, "target", "IPv6 is off"],
  [{ target: "203.0.113.9/24" }, "target", "enter 203.0.113.0/24."],
  [{ target: "255.255.255.255/1" }, "target", "enter 128.0.0.0/1."],
  [{ target: "256.0.0.1" }, "target", "“256.0.0.1” is neither"],
  [{ target: "localhost" }, "target", "“localhost” is neither"],
  [{ target: "a b.example" }, "target", "is neither"],
  [{ target: "example.com:0" }, "target", "“0” is no port"],
  [{ target: "example.com", ports: "80, 65536" }, "ports", "“65536” is no port"],
  [{ target: "example.com", ports: "http" }, "ports", "“http” is no port"],
  [{ target: "example.com:443", ports: "80" }, "target", "is neither"],
  [{ target: "example.com", ports: Array.from({ length: 33 }, (_, at) => at + 1).join() }, "ports", "32 ports at most"],
])("says of %j what to enter instead", (given, field, words) => {
  const fault = read(given);
  expect(fault).toMatchObject({ field });
  expect(isFault(fault) && fault.message).toContain(words);
});

it("makes of whatever is entered a rule that a server takes, or a fault", () => {
  const any = fc.record({
    target: fc.oneof(fc.string(), fc.ipV4(), fc.ipV6(), fc.domain(), fc.stringMatching(/^[\d./:]{0,24}$/)),
    ports: fc.oneof(fc.constant(""), fc.string(), fc.integer().map(String)),
    protocol: fc.constantFrom("" as const, "tcp" as const, "udp" as const),
    seconds: fc.constantFrom(0, 3600),
  });
  fc.assert(
    fc.property(any, (given) => {
      const result = readRule(given, NOW);
      expect(isFault(result) ? result.message !== "" : AllowRule.safeParse(result).success).toBe(true);
    }),
  );
});

it("says beforehand what a rule would allow", () => {
  expect(allowWords({ cidr: "203.0.113.7/32" })).toBe("Allows 203.0.113.7: every port.");
  expect(allowWords({ domain: "example.com" })).toBe(
    "Allows example.com: TCP 80, 443. Whatever else lives at its addresses is allowed with it.",
  );
});
