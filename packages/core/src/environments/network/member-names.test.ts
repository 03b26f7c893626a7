import { EnvironmentId, MachineId, NetworkId, OwnerId } from "@microterm/protocol";
import { expect, it } from "vitest";
import type { Actor } from "../../access/actor.ts";
import type { EnvironmentRow, NetworkRow } from "../../ports/repository.ts";
import { environmentRow } from "../../testing/environment-row.ts";
import { memberAddress } from "./member-names.ts";

const [TEAM, OTHER] = ["t", "o"].map((letter) => NetworkId.parse(letter.repeat(12))) as [NetworkId, NetworkId];
const BOB = OwnerId.parse("bobbobbob");
let letters = "abcdefgh";

function row(name: string, over: Partial<EnvironmentRow> = {}): EnvironmentRow {
  const letter = letters.charAt(0);
  letters = letters.slice(1);
  const machineId = MachineId.parse(letter.repeat(16));
  return environmentRow({ id: EnvironmentId.parse(letter.repeat(12)), name, machineId, sharedNetwork: TEAM, ...over });
}

const web = row("web");
const alone = row("alone", { sharedNetwork: null });
const rows = [
  ...[web, alone, row("db"), row("far", { sharedNetwork: OTHER }), row("off", { machineId: null })],
  row("theirs", { owner: BOB }),
];
const networks = [
  { id: TEAM, owner: web.owner, name: "team" },
  { id: OTHER, owner: web.owner, name: "other" },
  { id: TEAM, owner: BOB, name: "foreign" },
] as NetworkRow[];

const asking = ({ id, machineId }: EnvironmentRow) => ({ id, machineId: machineId as MachineId });

const context = {
  rows: {
    get: async (id: EnvironmentId) => {
      if (id === alone.id) throw new Error("a row was read");
      return rows.find((one) => one.id === id) ?? null;
    },
    // As storage does, also by a part of an id.
    find: async (reference: string, { owner }: Actor) =>
      rows.find((one) => one.owner === owner && (one.name === reference || one.id.startsWith(reference))) ?? null,
  },
  networks: {
    find: async (reference: string, { owner }: Actor) =>
      networks.find((one) => one.owner === owner && (one.name === reference || one.id === reference)) ?? null,
  },
  network: { memberAddress: (id: MachineId) => (id === alone.machineId ? null : `address of ${id.charAt(0)}`) },
} as unknown as Parameters<typeof memberAddress>[0];

it.each([
  ["db", "address of c"],
  ["db.team.internal", "address of c"],
  ["web", "address of a"],
  ["far", null],
  ["far.other.internal", null],
  ["db.other.internal", null],
  ["db.foreign.internal", null],
  [`db.${TEAM}.internal`, null],
  ["alone", null],
  ["off", null],
  ["theirs", null],
  ["cccc", null],
  ["nothing", null],
  ["db.team", null],
  ["db.team.example", null],
  ["a.db.team.internal", null],
  ["", null],
])("a member asks for %j: %s", async (name, address) => {
  expect(await memberAddress(context, asking(web), name)).toBe(address);
});

it.each(["db", "alone", "db.team.internal"])(
  "who is in no network learns nothing of %j, without a row",
  async (name) => {
    expect(await memberAddress(context, asking(alone), name)).toBeNull();
  },
);
