/** What a quota adds to a create that claims a machine: the look ahead, and the check in the transaction that writes the row. */
import { join } from "node:path";
import { type Storage, spendingOfCreate } from "@microterm/core";
import { accountRow, environmentRow } from "@microterm/core/testing";
import { EnvironmentId, type OwnerId, type QuotaLimits } from "@microterm/protocol";
import { createSqliteStorage } from "@microterm/storage";
import { makeTempFolder, type TempFolder } from "../support/temp-folder.ts";
import { median, signed, spread } from "./figures.ts";
import { createGroup } from "./group.ts";

const CREATES = 1000;
/** That an account has already, all of which are counted. */
const ENVIRONMENTS = 9;
const NOW = "2026-11-29T10:00:00.000Z";

const LIMITS: QuotaLimits = {
  ...{ environments: 100, running: 100, memoryMib: 1_000_000, cpus: 1000 },
  ...{ diskMib: 1_000_000, recordingsMib: 1024, hoursPerDay: 24 },
};

interface World {
  readonly folder: TempFolder;
  readonly storage: Storage;
  readonly limited: OwnerId;
  readonly unlimited: OwnerId;
}

let made = 0;
const nextId = (): EnvironmentId => EnvironmentId.parse(`env${String(made++).padStart(9, "0")}`);

async function create({ quotas, environments }: Storage, owner: OwnerId): Promise<number> {
  const id = nextId();
  const row = environmentRow({ id, name: id, owner, state: "creating", createdAt: NOW });
  const begin = performance.now();
  await quotas.assertRoom(owner, spendingOfCreate(row), NOW);
  await environments.insert(row);
  return performance.now() - begin;
}

export const QUOTAS = createGroup<World>({
  async open() {
    const folder = await makeTempFolder();
    const storage = await createSqliteStorage({ path: join(folder.path, "microterm.db") });
    const accounts = [accountRow("limited0", NOW), accountRow("unlimited", NOW, "admin")] as const;
    const [limited, unlimited] = accounts;
    for (const account of accounts) await storage.accounts.insert(account);
    await storage.quotas.setAccount(limited.id, LIMITS);
    for (const account of accounts) {
      for (let n = 0; n < ENVIRONMENTS; n++) await create(storage, account.id);
    }
    return { folder, storage, limited: limited.id, unlimited: unlimited.id };
  },
  async close({ folder, storage }) {
    await storage.close();
    await folder.remove();
  },
  benchmarks: {
    async quota({ storage, limited, unlimited }) {
      const times = { limited: [] as number[], unlimited: [] as number[] };
      // By turns, and each removed again: what is counted stays the same.
      for (let n = 0; n < CREATES; n++) {
        for (const [name, owner] of [["limited", limited] as const, ["unlimited", unlimited] as const]) {
          times[name].push(await create(storage, owner));
          const id = EnvironmentId.parse(`env${String(made - 1).padStart(9, "0")}`);
          await storage.environments.transition(id, ["creating"], "destroying", { operation: "destroy" });
          await storage.environments.finish(id, owner, {
            ...{ environment: id, name: id, destroyedAt: NOW, cause: "request", left: [] },
            removed: {
              ...{ processes: 0, cgroups: 0, sockets: 0, files: 0, uids: 0 },
              ...{ namespaces: 0, links: 0, flows: 0, diskBytes: 0 },
            },
          });
        }
      }
      return [
        {
          name: `row of a create with a quota, ${ENVIRONMENTS} environments beside it, p50 / p99 of ${CREATES}`,
          figure: spread(times.limited),
          floor: `${spread(times.unlimited)} without limits`,
          ratio: signed(median(times.limited) - median(times.unlimited)),
          target: "p50 ≤ 1 ms above",
        },
      ];
    },
  },
});
