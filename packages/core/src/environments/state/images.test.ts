import { EnvironmentId, MachineId } from "@microterm/protocol";
import { expect, it } from "vitest";
import type { EnvironmentRow } from "../../ports/repository.ts";
import type { FoundImage, VmImages } from "../../ports/vm-driver.ts";
import { environmentRow } from "../../testing/environment-row.ts";
import { adoptImages, imageStatus, pruneImages } from "./images.ts";

type Parts = Parameters<typeof pruneImages>[0];

const MACHINE = MachineId.parse("m".repeat(16));
const SAVE = "s".repeat(16);
const id = (letter: string) => EnvironmentId.parse(letter.repeat(12));

/** A host's images, oldest first, and rows that only these functions change. */
function world(images: readonly FoundImage[], rows: EnvironmentRow[], inUse: ReadonlyMap<string, string> = new Map()) {
  const removed: string[] = [];
  const port: VmImages = {
    current: "today",
    list: async () => images,
    inUse: async () => inUse,
    remove: async (image) => void removed.push(image),
  };
  const parts = {
    driver: { name: "qemu", images: port },
    rows: {
      list: async () => rows,
      setImage: async (wanted: string, image: string) => {
        const at = rows.findIndex((row) => row.id === wanted);
        rows[at] = { ...(rows[at] as EnvironmentRow), image };
        return true;
      },
    },
    log: { info: () => {}, warn: () => {}, error: () => {} },
  } as unknown as Parts;
  return { parts, removed, rows };
}

const image = (name: string, isUsed = false): FoundImage => ({ image: name, bytes: 1, isUsed });

it.each([
  ["its machine's", [image("ancient"), image("before"), image("today")], { machineId: MACHINE }, "ancient"],
  ["its save's", [image("ancient"), image("before"), image("today")], { snapshotId: SAVE, state: "paused" }, "ancient"],
  ["the one before today's", [image("ancient"), image("before"), image("today")], { state: "stopped" }, "before"],
  ["the one before, imported again", [image("today"), image("before")], { state: "stopped" }, "before"],
  ["today's where there is no other", [image("today")], { state: "stopped" }, "today"],
  ["the one it has", [image("before"), image("today")], { image: "gone" }, "gone"],
  ["none, of another driver", [image("today")], { driver: "process" }, null],
] as const)("an environment of before gets %s", async (_which, images, over, expected) => {
  const inUse = new Map([
    [MACHINE as string, "ancient"],
    [SAVE, "ancient"],
  ]);
  const { parts, rows } = world(images, [environmentRow(over)], inUse);
  await adoptImages(parts);
  expect(rows[0]?.image).toBe(expected);
});

it("removes what no environment, machine, template or save needs, and nothing else", async () => {
  const rows = [environmentRow({ id: id("a"), image: "kept", state: "stopped" })];
  const { parts, removed } = world([image("kept"), image("old"), image("held", true), image("today")], rows);
  await pruneImages(parts);
  expect(removed).toEqual(["old"]);
  rows.push(environmentRow({ id: id("b"), image: null }));
  await pruneImages(parts);
  expect(removed).toEqual(["old"]);
});

it("tells what each is kept for", async () => {
  const rows = [
    environmentRow({ id: id("a"), image: "old" }),
    environmentRow({ id: id("b"), image: "old" }),
    environmentRow({ id: id("c"), image: "today" }),
  ];
  expect(await imageStatus(world([image("old"), image("today")], rows).parts)).toEqual([
    { image: "old", bytes: 1, isCurrent: false, environments: 2 },
    { image: "today", bytes: 1, isCurrent: true, environments: 1 },
  ]);
});
