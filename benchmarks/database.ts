/** What PostgreSQL adds to a claimed create: the same service over both databases, by turns, with machines that take no time. */
import { createDriverRegistry, createEnvironmentService, type EnvironmentService, type Storage } from "@microterm/core";
import {
  accountRow,
  auditLogOf,
  createRecordingDriver,
  silentLog,
  systemClock,
  systemRandom,
} from "@microterm/core/testing";
import { createLoopbackNetwork } from "@microterm/networks";
import { createPostgresStorage, createSqliteStorage } from "@microterm/storage";
import { type PostgresCluster, startPostgres } from "../support/postgres-cluster.ts";
import { poll } from "../support/server.ts";
import { makeTempFolder, type TempFolder } from "../support/temp-folder.ts";
import { ANN } from "../tests/integration/core-server.ts";
import { median, signed, spread } from "./figures.ts";
import { createGroup } from "./group.ts";

const CREATES = 50;
const PATIENT = { timeoutMs: 60_000 } as const;
/** More than are made between two claims. */
const POOL = 2;

interface World {
  readonly folder: TempFolder;
  readonly cluster: PostgresCluster;
  readonly databases: Readonly<Record<"sqlite" | "postgresql", Served>>;
}

interface Served {
  readonly service: EnvironmentService;
  readonly storage: Storage;
}

async function serve(storage: Storage): Promise<Served> {
  await storage.accounts.insert(accountRow(ANN.owner, new Date().toISOString()));
  const service = createEnvironmentService({
    ...{ storage, network: createLoopbackNetwork(), clock: systemClock, random: systemRandom, log: silentLog },
    ...{ drivers: createDriverRegistry({ default: createRecordingDriver() }), templates: true, pool: POOL },
    audit: auditLogOf(storage),
  });
  await service.recover();
  return { service, storage };
}

/** From the request until it runs, on a machine of the pool. Removed again. */
async function create({ service }: Served): Promise<number> {
  await poll("a machine in the pool", () => service.pool().ready === POOL);
  const begin = performance.now();
  const { id } = await service.create(ANN, {});
  await service.wait(ANN, id, { states: ["running"], ...PATIENT });
  const took = performance.now() - begin;
  await service.destroy(ANN, id);
  return took;
}

export const DATABASE = createGroup<World>({
  async open() {
    const folder = await makeTempFolder();
    const cluster = await startPostgres({ isDurable: true });
    const postgres = await createPostgresStorage({ url: cluster.url("postgres"), log: silentLog });
    const sqlite = await createSqliteStorage({ path: `${folder.path}/microterm.db` });
    return { folder, cluster, databases: { sqlite: await serve(sqlite), postgresql: await serve(postgres) } };
  },
  async close({ folder, cluster, databases }) {
    for (const { service, storage } of Object.values(databases)) {
      await service.close();
      await storage.close();
    }
    await cluster.remove();
    await folder.remove();
  },
  benchmarks: {
    async database({ databases }) {
      const times = { sqlite: [] as number[], postgresql: [] as number[] };
      for (let at = 0; at < CREATES; at++) {
        for (const kind of ["sqlite", "postgresql"] as const) times[kind].push(await create(databases[kind]));
      }
      return [
        {
          name: "a claimed create on PostgreSQL, beside SQLite",
          figure: spread(times.postgresql),
          floor: spread(times.sqlite),
          ratio: signed(median(times.postgresql) - median(times.sqlite)),
          target: "at most 5 ms more",
        },
      ];
    },
  },
});
