import { OwnerId } from "@microterm/protocol";
import { describe, expect, it } from "vitest";
import type { Actor } from "./actor.ts";
import { actorOf } from "./actor.ts";
import { type Action, assertAllowed, authorize, terminalRoleOf } from "./authorize.ts";

const ANN = OwnerId.parse("annannann");
const BOB = OwnerId.parse("bobbobbob");
const ACTIONS: readonly Action[] = [
  "environment.read",
  "environment.create",
  "environment.change",
  "environment.destroy",
  "guest.use",
  "terminal.view",
  "terminal.use",
  "preview.open",
  "preview.share",
  "credential.create",
];
const owner = actorOf({ owner: ANN });
const viewer: Actor = { ...owner, role: "viewer" };
const mine = { owner: ANN };
const theirs = { owner: BOB };

describe.each(ACTIONS)("%s", (action) => {
  it("is an owner's, of what is theirs, and hidden of what is another's", () => {
    expect(authorize(owner, action, mine)).toBe("allowed");
    for (const actor of [owner, viewer]) {
      expect(authorize(actor, action, theirs)).toBe("hidden");
      expect(() => assertAllowed(actor, action, theirs)).toThrow(
        expect.objectContaining({ code: "ENVIRONMENT_NOT_FOUND" }),
      );
    }
  });

  it("is a viewer's where it changes nothing", () => {
    const isViewing = action === "environment.read" || action === "terminal.view";
    expect(authorize(viewer, action, mine)).toBe(isViewing ? "allowed" : "refused");
    if (!isViewing) {
      expect(() => assertAllowed(viewer, action, mine)).toThrow(expect.objectContaining({ code: "FORBIDDEN" }));
    }
  });
});

describe("a client of a terminal", () => {
  it("may ask for less than the actor may do, and never for more", () => {
    expect(terminalRoleOf(owner, mine, "owner")).toBe("owner");
    expect(terminalRoleOf(owner, mine, "viewer")).toBe("viewer");
    expect(terminalRoleOf(viewer, mine, "viewer")).toBe("viewer");
    expect(terminalRoleOf(viewer, mine, "owner")).toBe("viewer");
  });

  it("is none of another owner's terminal", () => {
    for (const asked of ["owner", "viewer"] as const) {
      expect(() => terminalRoleOf(owner, theirs, asked)).toThrow(
        expect.objectContaining({ code: "ENVIRONMENT_NOT_FOUND" }),
      );
    }
  });
});
