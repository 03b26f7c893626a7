import { MAX_ALLOW_RULES, type NetworkPolicy } from "@microterm/protocol";
import { describe, expect, it } from "vitest";
import { assertSupported, choosePolicy, effectiveAt, withoutRule, withRule } from "./policy-plan.ts";

const NOW = Date.parse("2026-11-29T10:00:00.000Z");
const at = (seconds: number): string => new Date(NOW + seconds * 1000).toISOString();
const list = (...allow: Extract<NetworkPolicy, { mode: "allowlist" }>["allow"]): NetworkPolicy => ({
  mode: "allowlist",
  allow,
});
const having = (...policies: readonly NetworkPolicy["mode"][]) => ({ policies, supportsDomainPolicy: true });
const code = (code: string) => expect.objectContaining({ code });

describe("a policy at a time", () => {
  it.each<[string, NetworkPolicy, NetworkPolicy, number | null]>([
    ["none", { mode: "none" }, { mode: "none" }, null],
    ["open", { mode: "open" }, { mode: "open" }, null],
    ["rules without a time", list({ domain: "a.example" }), list({ domain: "a.example" }), null],
    [
      "a rule whose time is over",
      list({ domain: "a.example", expiresAt: at(0) }, { domain: "b.example", expiresAt: at(30) }),
      list({ domain: "b.example", expiresAt: at(30) }),
      NOW + 30_000,
    ],
    [
      "the next of several",
      list(
        { cidr: "1.1.1.1/32", expiresAt: at(90) },
        { domain: "b.example", expiresAt: at(60) },
        { domain: "c.example" },
      ),
      list(
        { cidr: "1.1.1.1/32", expiresAt: at(90) },
        { domain: "b.example", expiresAt: at(60) },
        { domain: "c.example" },
      ),
      NOW + 60_000,
    ],
    ["none that is left is no end of the list", list({ domain: "a.example", expiresAt: at(-1) }), list(), null],
  ])("%s", (_name, policy, effective, nextAt) => {
    expect(effectiveAt(policy, NOW)).toEqual({ policy: effective, nextAt });
  });
});

describe("a new environment's policy", () => {
  it("is the one asked for, or refused", () => {
    expect(choosePolicy({ mode: "none" }, { mode: "open" }, having("none", "open"))).toEqual({ mode: "none" });
    expect(() => choosePolicy({ mode: "open" }, { mode: "open" }, having("none"))).toThrow(code("UNSUPPORTED"));
    expect(() => choosePolicy({ mode: "open" }, { mode: "open" }, having())).toThrow("loopback alone");
    expect(() => assertSupported(list(), having("none", "open"))).toThrow("environments have none or open");
  });

  it("is the default where it is not said, and none at all without networks", () => {
    expect(choosePolicy(undefined, { mode: "open" }, having("none", "open"))).toEqual({ mode: "open" });
    expect(choosePolicy(undefined, { mode: "open" }, having())).toBeNull();
    expect(choosePolicy({ mode: "none" }, { mode: "open" }, having())).toBeNull();
  });

  it("has no domains where the network knows addresses alone", () => {
    const addresses = { ...having("none", "allowlist"), supportsDomainPolicy: false };
    const wanted = list({ cidr: "1.1.1.1/32" });
    expect(choosePolicy(wanted, { mode: "none" }, addresses)).toEqual(wanted);
    const named = list({ cidr: "1.1.1.1/32" }, { domain: "a.example" });
    expect(() => choosePolicy(named, { mode: "none" }, addresses)).toThrow(code("UNSUPPORTED"));
  });
});

describe("one rule more", () => {
  it("makes a list of none, and nothing of open", () => {
    expect(withRule({ mode: "none" }, { domain: "a.example" }, NOW)).toEqual(list({ domain: "a.example" }));
    expect(withRule({ mode: "open" }, { domain: "a.example" }, NOW)).toEqual({ mode: "open" });
  });

  it("takes the place of one for the same, and of those whose time is over", () => {
    const before = list(
      { domain: "a.example", ports: [443], expiresAt: at(60) },
      { domain: "a.example", ports: [80] },
      { domain: "old.example", expiresAt: at(-60) },
    );
    expect(withRule(before, { ports: [443], domain: "a.example" }, NOW)).toEqual(
      list({ domain: "a.example", ports: [80] }, { ports: [443], domain: "a.example" }),
    );
  });

  it("is refused past the most", () => {
    const full = list(...Array.from({ length: MAX_ALLOW_RULES }, (_, number) => ({ domain: `a${number}.example` })));
    expect(() => withRule(full, { domain: "b.example" }, NOW)).toThrow(code("BAD_REQUEST"));
    expect(withRule(full, { domain: "a1.example", expiresAt: at(60) }, NOW)).toMatchObject({ mode: "allowlist" });
  });
});

describe("one rule less", () => {
  it("is that rule alone, whatever order its parts are in, and those whose time is over", () => {
    const before = list(
      { domain: "a.example", ports: [443] },
      { domain: "a.example", ports: [80] },
      { domain: "old.example", expiresAt: at(-60) },
    );
    expect(withoutRule(before, { ports: [443], domain: "a.example" }, NOW)).toEqual(
      list({ domain: "a.example", ports: [80] }),
    );
  });

  it("is none where it is not there, or has another end by now, or there is no list", () => {
    const kept = list({ domain: "a.example", expiresAt: at(90) });
    for (const rule of [{ domain: "a.example" }, { domain: "a.example", expiresAt: at(60) }, { domain: "b.example" }])
      expect(withoutRule(kept, rule, NOW)).toEqual(kept);
    for (const policy of [{ mode: "open" }, { mode: "none" }] as const)
      expect(withoutRule(policy, { domain: "a.example" }, NOW)).toEqual(policy);
  });
});
