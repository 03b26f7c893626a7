import type { EnvironmentId, SharedNetwork } from "@microterm/protocol";
import { expect, it } from "vitest";
import { fullName, joinWords, leaveWords, membershipOf, membersWords, wishOf } from "./membership.ts";

const network = (name: string, ...members: string[]): SharedNetwork =>
  ({
    ...{ id: name, name, createdAt: "2026-11-29T10:00:00.000Z" },
    members: members.map((member) => ({ id: member, name: member, address: null })),
  }) as unknown as SharedNetwork;
const idOf = (name: string) => name as EnvironmentId;
const team = network("team", "db", "web");
const empty = network("empty");

it("finds the network that an environment is in, and the others", () => {
  expect(membershipOf(idOf("web"), [empty, team])).toEqual({ own: team, others: [empty] });
  expect(membershipOf(idOf("api"), [empty, team])).toEqual({ own: null, others: [empty, team] });
  expect(fullName("web", "team")).toBe("web.team.internal");
});

it("names the first members of a network", () => {
  expect(membersWords(empty)).toBe("no members");
  expect(membersWords(network("n", "a", "b", "c"))).toBe("a, b, c");
  expect(membersWords(network("n", "a", "b", "c", "d", "e"))).toBe("a, b, c and 2 more");
});

it("says what is cut, of what runs alone", () => {
  const ends = /changes.*open connections end.*terminals stay\.$/;
  expect(joinWords(null, false)).toBeNull();
  expect(joinWords(null, true)).toMatch(ends);
  expect(joinWords("team", false)).toBe("Joining another leaves team.");
  expect(joinWords("team", true)).toMatch(ends);
  expect(leaveWords("team", false)).toBe("Then it reaches no member of team, and none reaches it.");
  expect(leaveWords("team", true)).toMatch(ends);
});

it("joins what is there by its name, and makes what is not", () => {
  const own = membershipOf(idOf("web"), [empty, team]);
  expect(wishOf(" empty ", own)).toEqual({ join: empty });
  expect(wishOf("team", own)).toEqual({ fault: "It is in team already." });
  expect(wishOf("lab", own)).toEqual({ create: "lab" });
});

it.each(["", " ", "-a", "a-", "Team", "a.b", "a b", "ä", "a".repeat(33)])("does not take %j for a name", (entered) => {
  expect(wishOf(entered, membershipOf(idOf("web"), []))).toEqual({ fault: expect.stringMatching(/enter|Enter/) });
});

it("makes no more networks than there may be", () => {
  const all = Array.from({ length: 64 }, (_, i) => network(`n${i}`));
  expect(wishOf("n7", membershipOf(idOf("web"), all))).toEqual({ join: all[7] });
  expect(wishOf("lab", membershipOf(idOf("web"), all))).toEqual({ fault: expect.stringContaining("64") });
  expect(wishOf("lab", membershipOf(idOf("web"), all.slice(1)))).toEqual({ create: "lab" });
});
