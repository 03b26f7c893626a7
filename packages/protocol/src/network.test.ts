import { describe, expect, it } from "vitest";
import { AllowRule, MAX_ALLOW_RULES, NetworkPolicy } from "./network.ts";

describe("a rule", () => {
  it.each([
    [{ cidr: "0.0.0.0/0" }, { cidr: "0.0.0.0/0" }],
    [{ cidr: "203.0.113.9" }, { cidr: "203.0.113.9/32" }],
    [{ cidr: "203.0.113.128/25" }, { cidr: "203.0.113.128/25" }],
    [{ domain: "Example.COM." }, { domain: "example.com" }],
    [{ domain: "*.xn--bcher-kva.example" }, { domain: "*.xn--bcher-kva.example" }],
  ])("%j is taken", (given, taken) => {
    expect(AllowRule.parse(given)).toEqual(taken);
    // As a server's answer, too.
    expect(AllowRule.encode(AllowRule.parse(given))).toEqual(taken);
  });

  it.each([
    { cidr: "203.0.113.9/25" },
    { cidr: "203.0.113.0/033" },
    { cidr: "203.0.113.0/-1" },
    { cidr: "1.2.3.4/32/32" },
    { cidr: "01.2.3.4" },
    { cidr: "2001:db8::/32" },
    { domain: "127.0.0.1" },
    { domain: "*.*.example" },
    { domain: "a*.example" },
    { domain: "_dmarc.example" },
    { domain: "bücher.example" },
    { domain: "com" },
    { domain: `${"a.".repeat(127)}example` },
    { domain: "a.example", ports: [0] },
    { domain: "a.example", ports: [1.5] },
    { domain: "a.example", protocol: "sctp" },
    { domain: "a.example", cidr: "1.2.3.4" },
    { domain: "a.example", expiresAt: "tomorrow" },
    {},
  ])("%j is refused", (given) => {
    expect(AllowRule.safeParse(given).success).toBe(false);
  });
});

it("a list has a most", () => {
  const allow = Array.from({ length: MAX_ALLOW_RULES + 1 }, () => ({ cidr: "203.0.113.9" }));
  expect(NetworkPolicy.safeParse({ mode: "allowlist", allow }).success).toBe(false);
  expect(NetworkPolicy.safeParse({ mode: "allowlist", allow: allow.slice(1) }).success).toBe(true);
  expect(NetworkPolicy.safeParse({ mode: "open", allow: [] }).success).toBe(false);
});
