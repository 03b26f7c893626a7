import { AnonymousLinks, OwnerId, type ShareRole } from "@microterm/protocol";
import { describe, expect, it } from "vitest";
import { actorOf } from "./actor.ts";
import { anonymousRoleOf, type GrantFacts, type Principal, sharedRoleOf } from "./principal.ts";

const BOB = OwnerId.parse("bobbobbob");
const ROLES = ["viewer", "editor"] as const;
const bob = (role: "admin" | "member" | "visitor", scopes?: readonly ("exec" | "files")[]): Principal => ({
  kind: "account",
  actor: actorOf({ id: BOB, role }, { scopes: scopes ?? null }),
});
const BROWSER: Principal = { kind: "browser", hash: "b", address: null };
const grant = (over: Partial<GrantFacts> = {}): GrantFacts => ({
  ...{ kind: "link", account: BOB, browser: null, granted: "editor", asked: "editor", withoutAccount: true, ...over },
});
const browsers = (over: Partial<GrantFacts> = {}) => grant({ account: null, browser: "b", ...over });

describe("a role at a shared terminal", () => {
  it("is the lower of granted and asked", () => {
    const of = (granted: ShareRole, asked: ShareRole) => sharedRoleOf(bob("visitor"), grant({ granted, asked }), "off");
    expect(ROLES.flatMap((granted) => ROLES.map((asked) => of(granted, asked)))).toEqual([
      ...["viewer", "viewer", "viewer", "editor"],
    ]);
  });

  it("is for the principal alone that has the grant", () => {
    expect(sharedRoleOf(bob("admin"), grant({ account: OwnerId.parse("cydcydcyd") }), "editor")).toBeNull();
    expect(sharedRoleOf(bob("admin"), browsers(), "editor")).toBeNull();
    expect(sharedRoleOf(BROWSER, grant(), "editor")).toBeNull();
    expect(sharedRoleOf({ kind: "browser", hash: "c", address: null }, browsers(), "editor")).toBeNull();
  });

  it("of a browser is bounded by the link and by the instance", () => {
    const under = (rule: AnonymousLinks, over = {}) => sharedRoleOf(BROWSER, browsers(over), rule);
    expect(AnonymousLinks.options.map((rule) => under(rule))).toEqual([null, "viewer", "editor"]);
    expect(AnonymousLinks.options.map((rule) => under(rule, { granted: "viewer" }))).toEqual([
      null,
      "viewer",
      "viewer",
    ]);
    expect(under("editor", { withoutAccount: false })).toBeNull();
    expect(anonymousRoleOf({ role: "editor", withoutAccount: true }, "viewer")).toBe("viewer");
  });

  it("needs a token's scope, and an admin to look in", () => {
    expect(sharedRoleOf(bob("member", ["exec"]), grant(), "off")).toBe("editor");
    expect(sharedRoleOf(bob("member", ["files"]), grant(), "off")).toBeNull();
    expect(sharedRoleOf(bob("member"), grant({ kind: "look-in" }), "off")).toBeNull();
    expect(sharedRoleOf(bob("admin"), grant({ kind: "look-in", granted: "viewer" }), "off")).toBe("viewer");
    expect(sharedRoleOf(bob("admin", ["exec"]), grant({ kind: "look-in", granted: "viewer" }), "off")).toBeNull();
  });
});
