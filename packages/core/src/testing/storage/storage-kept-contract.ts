import { EnvironmentId } from "@microterm/protocol";
import { describe, expect, it } from "vitest";
import { SYSTEM } from "../../access/actor.ts";
import type { RecordingUse } from "../../ports/repositories/kept-repository.ts";
import type { Storage } from "../../ports/repository.ts";
import { environmentRow } from "../environment-row.ts";
import { ANN, BOB, LATER, NOW } from "./storage-rest-contract.ts";

const ONE = EnvironmentId.parse("e00000000001");
const OTHER = EnvironmentId.parse("e00000000002");
const NOWHERE = EnvironmentId.parse("e00000000009");
const main = { environment: ONE, terminal: "main" };
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array | null): string => new TextDecoder().decode(bytes ?? undefined);
const fits = (): void => undefined;
const mark = (offset: bigint, isFull = false) => ({ offset, elapsedMs: 5_000_000_000, isFull });
const recording = (id: string, over: object = {}) => ({
  ...{ ...main, id: id.padEnd(12, "0"), startedAt: NOW, createdUnixMs: 1_700_000_000_000, ...over },
});

/** What every database must do with what servers of a fleet keep. `open` resolves with an empty one that has two owners. */
export function keptContract(name: string, open: () => Promise<Storage>): void {
  const opened = async (): Promise<Storage> => {
    const storage = await open();
    await storage.environments.insert(environmentRow({ id: ONE, owner: ANN, name: "one", state: "destroying" }));
    await storage.environments.insert(environmentRow({ id: OTHER, owner: ANN, name: "other" }));
    return storage;
  };
  const finish = ({ environments }: Storage): Promise<void> => {
    const receipt = { environment: ONE, name: "one", destroyedAt: NOW } as Parameters<typeof environments.finish>[2];
    return environments.finish(ONE, ANN, receipt);
  };
  const all = async ({ recordings }: Storage, place = main): Promise<string> => {
    const parts: Uint8Array[] = [];
    for (let at = 0; ; ) {
      const bytes = await recordings.read(place, at);
      if (bytes.length === 0) return parts.map(textOf).join("");
      parts.push(bytes);
      at += bytes.length;
    }
  };

  describe(`${name}: recordings`, () => {
    it("grow by what is added at their end, once, with how far they have come", async () => {
      const storage = await opened();
      const { recordings } = storage;
      expect([await recordings.get(main), await all(storage)]).toEqual([null, ""]);
      expect(await recordings.begin(recording("a"), [], fits)).toBe(NOW);
      const row = { terminal: "main", isEnabled: true, startedAt: NOW, createdUnixMs: 1_700_000_000_000 };
      expect(await recordings.get(main)).toEqual({ ...row, bytes: 0, mark: null });
      const [first, long] = [bytesOf("first\n"), bytesOf("é".repeat(1_000_000))];
      expect(await recordings.append(main, 0, first, mark(7n))).toBe(true);
      // Its answer was lost.
      expect(await recordings.append(main, 0, first, mark(7n))).toBe(true);
      expect(await recordings.append(main, 6, long, mark(2n ** 64n - 1n, true))).toBe(true);
      expect(await recordings.append(main, 6, bytesOf("else"), mark(9n))).toBe(false);
      expect(await recordings.append({ ...main, terminal: "none" }, 0, first, mark(7n))).toBe(false);
      const bytes = 6 + long.length;
      expect(await recordings.get(main)).toEqual({ ...row, bytes, mark: mark(2n ** 64n - 1n, true) });
      expect(await all(storage)).toBe(`first\n${textOf(long)}`);
    });

    it("begin again where their terminal is the same one, and anew where it has the name alone", async () => {
      const storage = await opened();
      const { recordings } = storage;
      await recordings.begin(recording("a"), [], fits);
      await recordings.append(main, 0, bytesOf("first"), mark(1n));
      await recordings.turnOff(main);
      expect(await recordings.get(main)).toMatchObject({ isEnabled: false, bytes: 5 });
      expect(await recordings.begin(recording("b", { startedAt: LATER }), [], fits)).toBe(NOW);
      expect(await recordings.get(main)).toMatchObject({ isEnabled: true, bytes: 5 });
      expect(await recordings.begin(recording("c", { startedAt: LATER, createdUnixMs: 2 }), [], fits)).toBe(LATER);
      expect([await all(storage), await recordings.get(main)]).toMatchObject(["", { bytes: 0, mark: null }]);
      expect(await recordings.begin(recording("d", { environment: NOWHERE }), [], fits)).toBeNull();
    });

    it("begin where they fit, each after the others of its owner", async () => {
      const { recordings, environments } = await opened();
      await environments.insert(environmentRow({ id: NOWHERE, owner: BOB, name: "theirs" }));
      await recordings.begin(recording("z", { environment: NOWHERE }), [], fits);
      const fit = (uses: readonly RecordingUse[]): void => {
        if (uses.length >= 2) throw new Error("full");
      };
      const places = [ONE, OTHER].flatMap((environment) => ["a", "b"].map((terminal) => ({ environment, terminal })));
      const begun = await Promise.allSettled(
        places.map((place, at) => recordings.begin(recording(`r${at}`, place), [ONE, OTHER], fit)),
      );
      expect(begun.filter(({ status }) => status === "fulfilled")).toHaveLength(2);
      const uses = await recordings.uses([ONE, OTHER, EnvironmentId.parse("e00000000008")]);
      expect(uses.map(({ isEnabled, bytes }) => [isEnabled, bytes])).toEqual([
        [true, 0],
        [true, 0],
      ]);
    });

    it("are gone at once with their environment, or by themselves, and later with all their bytes", async () => {
      const storage = await opened();
      const { recordings } = storage;
      const second = { environment: OTHER, terminal: "second" };
      for (const [at, place] of [main, second, { ...second, terminal: "stays" }].entries()) {
        await recordings.begin(recording(`r${at}`, place), [], fits);
        await recordings.append(place, 0, bytesOf("x".repeat(2_000_000)), mark(1n));
      }
      expect(await recordings.enabledHere()).toHaveLength(3);
      await recordings.remove(second);
      await finish(storage);
      expect([await recordings.get(main), await recordings.get(second)]).toEqual([null, null]);
      expect(await recordings.append(main, 2_000_000, bytesOf("y"), mark(2n))).toBe(false);
      await Promise.all([1, 2, 3].map(() => recordings.sweep()));
      expect(await recordings.enabledHere()).toEqual([{ environment: OTHER, terminal: "stays" }]);
      expect((await all(storage, { ...second, terminal: "stays" })).length).toBe(2_000_000);
      // Its id is free again, so that no chunk of it is left.
      await recordings.begin(recording("r1", second), [], fits);
      expect(await recordings.append(second, 0, bytesOf("anew"), mark(1n))).toBe(true);
    });
  });

  describe(`${name}: kept screens`, () => {
    it("are each terminal's latest, and go with it", async () => {
      const storage = await opened();
      const { keptScreens } = storage;
      const screen = (terminal: string, text = "text") => ({
        ...{ environment: ONE, terminal, createdUnixMs: 5, offset: 2n ** 63n, bytes: bytesOf(text) },
      });
      await keptScreens.put(screen("main"));
      await keptScreens.put({ ...screen("main", "newer"), offset: 1n });
      await keptScreens.put(screen("second"));
      await keptScreens.put(screen("third"));
      await keptScreens.put({ ...screen("main"), environment: NOWHERE });
      const found = await keptScreens.get(main);
      expect([found?.offset, found?.createdUnixMs, textOf(found?.bytes ?? null)]).toEqual([1n, 5, "newer"]);
      await keptScreens.prune(ONE, ["main", "third"]);
      await keptScreens.remove({ ...main, terminal: "third" });
      for (const terminal of ["second", "third"]) expect(await keptScreens.get({ ...main, terminal })).toBeNull();
      expect(await keptScreens.get(main)).not.toBeNull();
      await finish(storage);
      expect(await keptScreens.get(main)).toBeNull();
    });
  });

  describe(`${name}: consoles`, () => {
    it("are each environment's latest, and go with it", async () => {
      const storage = await opened();
      const { consoles } = storage;
      await consoles.put(ONE, bytesOf("first"));
      await consoles.put(ONE, new Uint8Array([0, 255, 10]));
      await consoles.put(OTHER, bytesOf("other"));
      await consoles.put(NOWHERE, bytesOf("none"));
      expect([...((await consoles.get(ONE)) ?? [])]).toEqual([0, 255, 10]);
      await consoles.remove(OTHER);
      await finish(storage);
      expect([await consoles.get(ONE), await consoles.get(OTHER), await consoles.get(NOWHERE)]).toEqual([
        ...[null, null, null],
      ]);
      expect(await storage.environments.get(OTHER, SYSTEM)).not.toBeNull();
    });
  });

  describe(`${name}: attempts`, () => {
    it("are counted from the first of their time, by all at once, and taken back", async () => {
      const { attempts } = await open();
      const counts = await Promise.all(Array.from({ length: 8 }, () => attempts.count("a", 1000, 500)));
      expect(counts.sort()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
      await attempts.uncount("a", 1499);
      await attempts.uncount("unknown", 1499);
      expect([await attempts.count("a", 1499, 500), await attempts.count("b", 1499, 500)]).toEqual([8, 1]);
      await attempts.uncount("a", 1500);
      expect(await attempts.count("a", 1500, 500)).toBe(1);
    });

    it("are forgotten when their time is over, and when there are too many", async () => {
      const { attempts } = await open();
      for (const [at, key] of ["a", "b", "c", "d"].entries()) await attempts.count(key, at, 1000);
      await attempts.sweep(1000, 10);
      await attempts.sweep(1000, 2);
      const counts: number[] = [];
      for (const key of ["a", "b", "c", "d"]) counts.push(await attempts.count(key, 500, 1000));
      expect(counts).toEqual([1, 1, 2, 2]);
    });
  });
}
