import { describe, expect, it } from "vitest";
import { allowsName, matchesDomain, slotPolicy } from "./slot-rules.ts";

describe("a policy for the daemon", () => {
  it("is a word, or a rule for each port", () => {
    expect([slotPolicy({ mode: "none" }), slotPolicy({ mode: "open" })]).toEqual(["none", "open"]);
    const allow = [
      { cidr: "203.0.113.0/24" },
      { cidr: "203.0.113.7/32", ports: [53, 443], protocol: "udp" as const },
      { cidr: "203.0.113.8/32", protocol: "tcp" as const },
      { domain: "a.example" },
      { domain: "*.b.example", ports: [22] },
      { domain: "a.example", ports: [443] },
    ];
    expect(slotPolicy({ mode: "allowlist", allow })).toEqual({
      allowlist: [
        { cidr: "203.0.113.0/24", protocol: "any" },
        { cidr: "203.0.113.7/32", protocol: "udp", ports: [53, 53] },
        { cidr: "203.0.113.7/32", protocol: "udp", ports: [443, 443] },
        { cidr: "203.0.113.8/32", protocol: "tcp" },
        { name: "a.example", protocol: "tcp", ports: [80, 80] },
        { name: "a.example", protocol: "tcp", ports: [443, 443] },
        { name: "*.b.example", protocol: "tcp", ports: [22, 22] },
      ],
    });
  });
});

describe("a domain", () => {
  it.each([
    ["example.com", "example.com", true],
    ["example.com", "www.example.com", false],
    ["example.com", "notexample.com", false],
    ["*.example.com", "www.example.com", true],
    ["*.example.com", "a.b.example.com", true],
    ["*.example.com", "example.com", false],
    ["*.example.com", ".example.com", false],
    ["*.example.com", "wwwexample.com", false],
    ["*.example.com", "example.com.evil.org", false],
  ])("%s for %s: %s", (pattern, name, matches) => {
    expect(matchesDomain(pattern, name)).toBe(matches);
    expect(allowsName({ mode: "allowlist", allow: [{ cidr: "1.1.1.1/32" }, { domain: pattern }] }, name)).toBe(matches);
  });
});
