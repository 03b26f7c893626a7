import { type AuditFilter, EnvironmentId } from "@microterm/protocol";
import { describe, expect, it } from "vitest";
import { SYSTEM } from "../../access/actor.ts";
import type { AuditRow } from "../../ports/repositories/audit-repository.ts";
import type { Storage } from "../../ports/repository.ts";
import { auditRow } from "../audit/audit-row.ts";
import { environmentRow } from "../environment-row.ts";
import { ANN, BOB, NOW } from "./storage-rest-contract.ts";

const BEGIN = Date.parse(NOW);
const at = (seconds: number): string => new Date(BEGIN + 1000 * seconds).toISOString();

/** What every database must do with the audit log, and with changes that come together. `open` resolves with one that has two owners. */
export function auditContract(name: string, open: () => Promise<Storage>): void {
  /** An entry after so many seconds. */
  const entry = (seconds: number, over: Partial<AuditRow> = {}) => auditRow(BEGIN + 1000 * seconds, over);

  describe(`${name}: the audit log`, () => {
    const environment = environmentRow({ id: EnvironmentId.parse("aaaa00000000"), name: "work", owner: ANN });

    it("gives back an entry as it was put in, with the names of that time", async () => {
      const { audit, environments } = await open();
      await environments.insert(environment);
      const detail = { program: "make\n\u202e\u0000\ud800 ü", arguments: 2, argv: ["make", ""], end: "exited" };
      const row = entry(0, {
        ...{ outcome: "failed", code: "GUEST_UNREACHABLE", account: ANN, via: "token", credential: "abc", target: "t" },
        ...{ address: "2001:db8::1", environment: environment.id, beginning: entry(0).id, count: 3, detail },
      });
      await audit.append(row);
      expect(await audit.find({ before: null, limit: 9 })).toEqual([
        { ...row, account: { id: ANN, name: ANN }, environment: { id: environment.id, name: "work" } },
      ]);
    });

    it("outlives what it tells of", async () => {
      const { audit } = await open();
      await audit.append(entry(0, { environment: environment.id }));
      expect(await audit.find({ before: null, limit: 9 })).toMatchObject([
        { environment: { id: environment.id, name: null }, account: null },
      ]);
    });

    it("finds entries by each filter, the newest first, page after page", async () => {
      const { audit, environments } = await open();
      await environments.insert(environment);
      const rows = [
        entry(0, { account: ANN, action: "sign-in", address: "192.0.2.1" }),
        entry(1, { account: BOB, action: "exec", outcome: "refused", target: "work" }),
        entry(2, { account: BOB, action: "account.disabled", target: ANN }),
        entry(3, { account: ANN, action: "exec", environment: environment.id }),
      ];
      for (const row of rows) await audit.append(row);
      const found = async (filter: AuditFilter) =>
        (await audit.find({ ...filter, before: null, limit: 9 })).map(({ id }) =>
          rows.findIndex((row) => row.id === id),
        );
      expect(await found({})).toEqual([3, 2, 1, 0]);
      expect(await found({ account: ANN })).toEqual([3, 2, 0]);
      expect(await found({ action: "exec" })).toEqual([3, 1]);
      expect(await found({ environment: "work" })).toEqual([3, 1]);
      expect(await found({ environment: environment.id })).toEqual([3]);
      expect(await found({ outcome: "refused" })).toEqual([1]);
      expect(await found({ address: "192.0.2.1" })).toEqual([0]);
      expect(await found({ from: at(1), to: at(3) })).toEqual([2, 1]);
      expect(await found({ account: ANN, action: "exec", from: at(3) })).toEqual([3]);
      const first = await audit.find({ before: null, limit: 3 });
      expect(await audit.find({ before: first[2]?.id ?? null, limit: 3 })).toMatchObject([{ id: rows[0]?.id }]);
    });

    it("deletes what is older, however much that is", async () => {
      const storage = await open();
      const { audit } = storage;
      await storage.transaction(async (repositories) => {
        for (let number = 0; number < 1100; number += 1) await repositories.audit.append(entry(0));
      });
      await audit.append(entry(1));
      expect(await audit.removeBefore(at(1))).toBe(1100);
      expect(await audit.removeBefore(at(1))).toBe(0);
      expect(await audit.find({ before: null, limit: 9 })).toHaveLength(1);
    });

    it("has an id once", async () => {
      const { audit } = await open();
      const row = entry(0);
      await audit.append(row);
      await expect(audit.append({ ...row, outcome: "refused" })).rejects.toThrow();
      expect(await audit.find({ before: null, limit: 9 })).toMatchObject([{ outcome: "done" }]);
    });
  });

  describe(`${name}: a transaction`, () => {
    const environment = environmentRow({ id: EnvironmentId.parse("aaaa00000000"), owner: ANN });

    it("makes all of its changes or none", async () => {
      const storage = await open();
      const both = async (fails: boolean): Promise<string> =>
        storage.transaction(async ({ environments, audit }) => {
          await environments.insert(environment);
          await environments.setTimes(environment.id, { idleTimeoutSeconds: 60 });
          await audit.append(entry(0));
          if (fails) throw new Error("no");
          return "done";
        });
      const there = async () => [
        (await storage.environments.list(SYSTEM)).length,
        (await storage.audit.find({ before: null, limit: 9 })).length,
      ];
      await expect(both(true)).rejects.toThrow("no");
      expect(await there()).toEqual([0, 0]);
      expect(await both(false)).toBe("done");
      expect(await there()).toEqual([1, 1]);
    });

    it("takes changes that have a transaction of their own", async () => {
      const storage = await open();
      const link = {
        hash: "h",
        id: "i",
        kind: "link",
        environment: environment.id,
        port: 1,
        credential: null,
      } as const;
      const run = storage.transaction(async ({ environments, previews }) => {
        await environments.insert(environment);
        expect(await previews.insert({ ...link, createdAt: NOW, expiresAt: at(60) })).toBe(true);
        throw new Error("no");
      });
      await expect(run).rejects.toThrow("no");
      expect(await storage.previews.find("h", NOW)).toBeNull();
    });
  });
}
