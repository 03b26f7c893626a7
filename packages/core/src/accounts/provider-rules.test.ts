import { AccountName } from "@microterm/protocol";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { accountNames, isIssuer, mapsGroups, type ProviderRules, roleOfGroups } from "./provider-rules.ts";

const NONE = { admin: [], member: [], visitor: [] };
const rules = (over: Partial<ProviderRules>): ProviderRules => ({
  name: "x",
  issuer: "https://sso.example.org",
  groups: NONE,
  defaultRole: null,
  ...over,
});
const first = (called: string | null) => accountNames(called, () => "r").next().value;

describe("groups", () => {
  const mapped = rules({ groups: { ...NONE, admin: ["ops"], member: ["dev", "ops"] }, defaultRole: "visitor" });

  it("give the highest role, and who is in none the default", () => {
    expect(roleOfGroups(mapped, ["dev", "ops"])).toBe("admin");
    expect(roleOfGroups(mapped, ["dev"])).toBe("member");
    expect(roleOfGroups(mapped, ["Dev", "ops "])).toBe("visitor");
    expect(roleOfGroups(rules({}), ["ops"])).toBeNull();
  });

  it("have a say only where there are any", () => {
    expect([mapsGroups(mapped), mapsGroups(rules({ defaultRole: "member" }))]).toEqual([true, false]);
  });
});

it("is known by its issuer, with or without a slash at the end", () => {
  const own = [
    "https://sso.example.org",
    "https://sso.example.org/",
    "https://sso.example.org/x",
    "https://SSO.example.org",
  ];
  expect(own.map((issuer) => isIssuer(rules({}), issuer))).toEqual([true, true, false, false]);
});

describe("a new account's name", () => {
  it.each([
    ["ann", "ann"],
    ["Ann.Lee@example.org", "ann.lee"],
    ["Zoë Ångström", "zoe-angstrom"],
    ["42nd_street", "nd_street"],
    ["@ann", "ann"],
    ["евгений", "user"],
    ["<b>\u202e", "b"],
    ["-._", "user"],
    ["", "user"],
    [null, "user"],
    ["a".repeat(40), "a".repeat(32)],
  ])("of %j is %s", (called, name) => {
    expect(first(called)).toBe(name);
  });

  it("is valid whatever the provider says, and another one each time", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 60 }), (called) => {
        let number = 0;
        const names = [...accountNames(called, () => `random${number++}`)];
        expect(names.every((name) => AccountName.safeParse(name).success)).toBe(true);
        expect(new Set(names).size).toBe(names.length);
      }),
    );
  });
});
