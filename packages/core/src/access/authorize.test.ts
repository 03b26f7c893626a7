import { OwnerId, Role, Scope } from "@microterm/protocol";
import { describe, expect, it } from "vitest";
import { type Actor, actorOf } from "./actor.ts";
import { ACTIONS, type Action, assertAllowed, authorize, can, terminalRoleOf } from "./authorize.ts";

const ANN = OwnerId.parse("annannann");
const mine = { owner: ANN };
const theirs = { owner: OwnerId.parse("bobbobbob") };
const as = (role: Role): Actor => actorOf({ id: ANN, role });
const allowed = (actor: Actor, resource: typeof mine): Action[] =>
  ACTIONS.filter((action) => can(actor, action, resource));

const OF_THE_INSTANCE: readonly Action[] = ["accounts.read", "accounts.change", "audit.read"];
const OF_ADMINS: readonly Action[] = [...OF_THE_INSTANCE, "environment.transfer", "terminal.look-in"];
const OF_VISITORS: readonly Action[] = ["environment.read", "environment.inspect", "share.view", "account.manage"];

describe("a role", () => {
  it("may do with its own what it is for", () => {
    expect(allowed(as("admin"), mine)).toEqual(ACTIONS);
    expect(allowed(as("member"), mine)).toEqual(ACTIONS.filter((action) => !OF_ADMINS.includes(action)));
    expect(allowed(as("visitor"), mine)).toEqual(OF_VISITORS);
  });

  it("learns nothing of what is another's, but for an admin, who may list, stop, remove, transfer and look in", () => {
    for (const role of ["member", "visitor"] as const) {
      for (const action of ACTIONS) {
        const isOfTheInstance = OF_THE_INSTANCE.includes(action);
        expect(authorize(as(role), action, theirs), action).toBe(isOfTheInstance ? "refused" : "hidden");
      }
    }
    expect(allowed(as("admin"), theirs)).toEqual([
      ...["environment.read", "environment.stop", "environment.destroy", "environment.transfer", "terminal.look-in"],
      ...OF_THE_INSTANCE,
    ]);
    expect(authorize(as("admin"), "terminal.view", theirs)).toBe("hidden");
    const origin = { via: "data-folder", credential: null, address: null } as const;
    const ofHost = allowed(actorOf({ id: ANN, role: "admin" }, { origin }), theirs);
    expect(ofHost.filter((action) => !allowed(as("admin"), theirs).includes(action))).toEqual(["environment.pause"]);
  });
});

describe("a token", () => {
  it("without scopes may do nothing, whatever its account's role", () => {
    for (const role of Role.options) {
      const actor = actorOf({ id: ANN, role }, { scopes: [] });
      expect([...allowed(actor, mine), ...allowed(actor, theirs)]).toEqual([]);
    }
  });

  it("may do what its scopes name, of what its account may, and never manage the account", () => {
    const all = actorOf({ id: ANN, role: "admin" }, { scopes: Scope.options });
    expect(allowed(all, mine)).toEqual(
      ACTIONS.filter((action) => action !== "account.manage" && action !== "terminal.look-in"),
    );
    const reading = actorOf({ id: ANN, role: "admin" }, { scopes: ["environments:read"] });
    expect(allowed(reading, mine)).toEqual(["environment.read", "environment.inspect", "network.read"]);
    expect(authorize(reading, "environment.read", theirs)).toBe("hidden");
    expect(allowed(actorOf({ id: ANN, role: "member" }, { scopes: ["admin"] }), mine)).toEqual([]);
  });
});

describe("a refusal", () => {
  it("hides what the actor must not learn of, and says what is missing otherwise", () => {
    const caught = (run: () => void): unknown => {
      try {
        return run();
      } catch (error) {
        return error;
      }
    };
    expect(caught(() => assertAllowed(as("member"), "environment.read", theirs))).toMatchObject({
      code: "ENVIRONMENT_NOT_FOUND",
    });
    for (const [actor, action, said] of [
      [as("visitor"), "environment.create", "needs the role member"],
      [actorOf({ id: ANN, role: "member" }, { scopes: ["exec"] }), "guest.files", "the scope files"],
      [actorOf({ id: ANN, role: "member" }, { scopes: ["exec"] }), "account.manage", "sign in"],
    ] as const) {
      expect(caught(() => assertAllowed(actor, action, mine))).toMatchObject({
        code: "FORBIDDEN",
        message: expect.stringContaining(said),
      });
    }
  });
});

describe("a client of a terminal", () => {
  it("may ask for less than the actor may do", () => {
    expect(terminalRoleOf(as("member"), mine, "owner")).toBe("owner");
    expect(terminalRoleOf(as("member"), mine, "viewer")).toBe("viewer");
  });

  it("is none of another owner's terminal, nor an admin's", () => {
    for (const role of Role.options) {
      expect(() => terminalRoleOf(as(role), theirs, "viewer")).toThrow(
        expect.objectContaining({ code: "ENVIRONMENT_NOT_FOUND" }),
      );
    }
  });
});
