import { describe, expect, it } from "vitest";
import { CliError } from "./failure.ts";
import { parseRule, policyOf, ruleText } from "./network-policy.ts";

describe("a rule", () => {
  it.each([
    ["github.com", { domain: "github.com" }],
    ["GitHub.com.:443", { domain: "github.com", ports: [443] }],
    ["*.debian.org:80,443", { domain: "*.debian.org", ports: [80, 443] }],
    ["203.0.113.7", { cidr: "203.0.113.7/32" }],
    ["203.0.113.0/24:53/udp", { cidr: "203.0.113.0/24", ports: [53], protocol: "udp" }],
    ["203.0.113.0/24/tcp", { cidr: "203.0.113.0/24", protocol: "tcp" }],
  ])("%s", (text, rule) => {
    expect(parseRule(text)).toEqual(rule);
    expect(parseRule(ruleText(parseRule(text)))).toEqual(rule);
  });

  it.each([
    "",
    "localhost",
    "*",
    "*.com.*",
    "a..b",
    "-a.com",
    "203.0.113.1/24",
    "203.0.113.0/33",
    "256.0.0.1",
    "1.2.3",
    "example.com:0",
    "example.com:65536",
    "example.com:http",
    "example.com:80/icmp",
    "https://example.com/",
    "2001:db8::1",
    `${"a".repeat(64)}.com`,
  ])("%j is refused with how to write one", (text) => {
    expect(() => parseRule(text)).toThrow(CliError);
    expect(() => parseRule(text)).toThrow(`--allow ${text} is no rule`);
  });
});

describe("the options of a policy", () => {
  it("ask for nothing, a mode, or a list", () => {
    expect(policyOf({})).toBeUndefined();
    expect(policyOf({ network: "open" })).toEqual({ mode: "open" });
    expect(policyOf({ allow: ["a.example", "1.1.1.1:53"] })).toEqual({
      mode: "allowlist",
      allow: [{ domain: "a.example" }, { cidr: "1.1.1.1/32", ports: [53] }],
    });
  });

  it("do not contradict each other", () => {
    expect(() => policyOf({ network: "open", allow: ["a.example"] })).toThrow(CliError);
  });
});
