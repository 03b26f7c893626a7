/** What a preview costs on the `process` driver, with the floor beside it: the same program, asked at its own port. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { Agent, type IncomingMessage, request } from "node:http";
import { PreviewClient } from "../support/preview-client.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { median, signed, spread } from "./figures.ts";
import { createGroup } from "./group.ts";
import { openServed } from "./terminal-end.ts";
import { typeKeys } from "./terminals.ts";

const REQUESTS = 1000;
const WARM_REQUESTS = 100;
const KEYS = 500;
const DOWNLOAD_BYTES = 100_000_000;

/** A process of its own, so that it waits for nothing of the benchmark's. */
const PROGRAM = `
const bulk = Buffer.alloc(1 << 20);
const server = require("node:http").createServer((request, response) => {
  if (request.url !== "/bulk") return response.end("hello");
  response.setHeader("content-length", ${DOWNLOAD_BYTES});
  let left = ${DOWNLOAD_BYTES};
  const send = () => {
    while (left > 0) {
      const piece = bulk.subarray(0, left);
      left -= piece.length;
      if (!response.write(piece)) return response.once("drain", send);
    }
    response.end();
  };
  send();
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
`;

interface World {
  readonly server: TestServer;
  readonly environment: string;
  readonly program: number;
  readonly preview: PreviewClient;
  end(): Promise<void>;
}

async function open(): Promise<World> {
  const child = spawn(process.execPath, ["-e", PROGRAM], { stdio: ["ignore", "pipe", "inherit"] });
  const program = Number(String((await once(child.stdout, "data"))[0]));
  const server = await startServer();
  const { id } = await server.environment();
  const preview = await PreviewClient.open(server, id, program);
  const end = async (): Promise<void> => {
    child.kill();
    await server.dispose();
  };
  return { server, environment: id, program, preview, end };
}

type Ask = (path: string) => Promise<void>;

/** With a connection that is kept, as a browser keeps it. */
export function asker(port: number, headers: Readonly<Record<string, string>> = {}): Ask {
  const agent = new Agent({ keepAlive: true });
  return async (path) => {
    const asked = request({ host: "127.0.0.1", port, path, headers, agent }).end();
    const [answer] = (await once(asked, "response")) as [IncomingMessage];
    answer.resume();
    await once(answer, "end");
    if (answer.statusCode !== 200) throw new Error(`${path}: ${answer.statusCode}`);
  };
}

export async function timed(work: () => Promise<void>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

export const PREVIEW = createGroup<World>({
  open,
  close: (world) => world.end(),
  benchmarks: {
    async preview({ server, program, preview }, { rounds }) {
      const direct = asker(program);
      const through = asker(server.port, { host: preview.host, cookie: preview.cookie });
      const times: { direct: number[]; through: number[] } = { direct: [], through: [] };
      for (let at = 0; at < WARM_REQUESTS + REQUESTS; at++) {
        const [one, other] = [await timed(() => direct("/")), await timed(() => through("/"))];
        if (at < WARM_REQUESTS) continue;
        times.direct.push(one);
        times.through.push(other);
      }
      const bulk: { direct: number[]; through: number[] } = { direct: [], through: [] };
      for (let round = 0; round < rounds; round++) {
        bulk.direct.push(await timed(() => direct("/bulk")));
        bulk.through.push(await timed(() => through("/bulk")));
      }
      const rate = (ms: number): number => DOWNLOAD_BYTES / 1000 / ms;
      return [
        {
          name: `a request to a preview, process driver, p50 / p99 of ${REQUESTS}`,
          figure: spread(times.through),
          floor: `${spread(times.direct)} the program's own port`,
          ratio: signed(median(times.through) - median(times.direct)),
          target: "p50 ≤ 1 ms above",
        },
        {
          name: `a download of ${DOWNLOAD_BYTES / 1e6} MB through it, p50 of ${rounds}`,
          figure: `${rate(median(bulk.through)).toFixed(0)} MB/s`,
          floor: `${rate(median(bulk.direct)).toFixed(0)} MB/s the program's own port`,
          ratio: `${(median(bulk.direct) / median(bulk.through)).toFixed(2)} ×`,
          target: "",
        },
      ];
    },

    async "preview-echo"({ server, environment, preview }) {
      const through = asker(server.port, { host: preview.host, cookie: preview.cookie });
      const keys = () => typeKeys((script) => openServed(server, environment, script), KEYS);
      const idle = await keys();
      let isOver = false;
      const downloads = (async () => {
        while (!isOver) await through("/bulk");
      })();
      const beside = await keys();
      isOver = true;
      await downloads;
      return [
        {
          name: `key echo beside downloads through a preview, process driver, p50 / p99 of ${KEYS}`,
          figure: spread(beside),
          floor: `${spread(idle)} without`,
          ratio: signed(median(beside) - median(idle)),
          target: "p50 ≤ 1 ms above",
        },
      ];
    },
  },
});
