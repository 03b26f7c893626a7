/** What the audit log adds to an exec on the `process` driver, with the floor beside it: one insert of the same row. */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { auditLogOf, auditRow } from "@microterm/core/testing";
import { createSqliteStorage } from "@microterm/storage";
import { startServer, type TestServer } from "../support/server.ts";
import { makeTempFolder } from "../support/temp-folder.ts";
import { median, quantile, spread } from "./figures.ts";
import { createGroup } from "./group.ts";

const ENTRIES = 100_000;
const WRITES = 5000;
const EXECS = 300;
const WARM = 100;

const INSERT = `insert into audit (id, at, action, outcome, account, account_name, via, count, detail)
  values (?, ?, 'exec', 'begun', null, null, 'server', 1, ?)`;

async function timed(work: () => unknown): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

/** ms, in microseconds. */
const micros = (ms: number): string => `${(1000 * ms).toFixed(0)} µs`;

export const AUDIT = createGroup<TestServer>({
  open: () => startServer(),
  close: (server) => server.dispose(),
  benchmarks: {
    async audit(server) {
      const folder = await makeTempFolder();
      const path = join(folder.path, "microterm.db");
      const storage = await createSqliteStorage({ path });
      const bare = new DatabaseSync(path);
      bare.exec("pragma synchronous = normal");
      const insert = bare.prepare(INSERT);
      const detail = { program: "make", arguments: 2 };
      const text = JSON.stringify(detail);
      const insertBare = () => {
        const { id, at } = auditRow(Date.now());
        insert.run(id, at, text);
      };
      bare.exec("begin");
      for (let at = 0; at < ENTRIES; at += 1) insertBare();
      bare.exec("commit");
      const audit = auditLogOf(storage);
      const times: { bare: number[]; through: number[] } = { bare: [], through: [] };
      for (let at = 0; at < WARM + WRITES; at += 1) {
        const one = await timed(insertBare);
        const other = await timed(() => audit.begin("server", { action: "exec", detail }));
        if (at < WARM) continue;
        times.bare.push(one);
        times.through.push(other);
      }
      const { bytes } = bare.prepare("select sum(pgsize) as bytes from dbstat where name like '%audit%'").get() as {
        bytes: number;
      };
      const { entries } = bare.prepare("select count(*) as entries from audit").get() as { entries: number };
      bare.close();
      await storage.close();
      await folder.remove();

      const environment = await server.environment();
      const execs: number[] = [];
      for (let at = 0; at < EXECS; at += 1) {
        const body = { command: ["true"] };
        execs.push(await timed(() => server.ok("POST", `/v1/environments/${environment.id}/exec`, body)));
      }
      return [
        {
          name: `the entry before an exec, beside ${ENTRIES} entries, p50 / p99 of ${WRITES}`,
          figure: `${micros(median(times.through))} / ${micros(quantile(times.through, 0.99))}`,
          floor: `${micros(median(times.bare))} / ${micros(quantile(times.bare, 0.99))} the insert alone`,
          ratio: `+${micros(median(times.through) - median(times.bare))}; ${Math.round(bytes / entries)} bytes an entry`,
          target: "p50 ≤ 0.2 ms",
        },
        {
          name: `an exec of true over HTTP, with both of its entries, process driver, p50 / p99 of ${EXECS}`,
          figure: spread(execs),
          floor: "",
          ratio: `${((100 * median(times.through)) / median(execs)).toFixed(1)} % of it the entry before it`,
          target: "",
        },
      ];
    },
  },
});
