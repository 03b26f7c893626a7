/** How soon a person has a prompt of a pod that waited for them, beside a process on the server's own host. By turns, with real pods. */
import { rustBinary } from "../support/rust-binaries.ts";
import { poll, startServer } from "../support/server.ts";
import { type Figure, median, signed, spread } from "./figures.ts";
import { firstPrompt } from "./restores.ts";

export async function measurePool(rounds: number): Promise<Figure> {
  const pods = await startServer({ args: ["--pool", "2"] });
  const processes = await startServer({
    driver: ["--driver", "process", "--agent", await rustBinary("microterm-agent")],
  });
  const [times, floor]: [number[], number[]] = [[], []];
  try {
    // A person who clicks has loaded the page, at which a server gets ready for a terminal.
    for (const server of [pods, processes]) await server.call("GET", "/");
    for (let round = 0; round < rounds; round++) {
      await poll("a full pool", async () => (await pods.ok("GET", "/v1/host")).pool.ready >= 2);
      for (const [server, took] of [
        [processes, floor],
        [pods, times],
      ] as const) {
        const { id, tookMs } = await firstPrompt({ server });
        took.push(tookMs);
        await server.ok("DELETE", `/v1/environments/${id}`);
      }
    }
  } finally {
    for (const server of [pods, processes]) await server.dispose();
  }
  return {
    name: `POST → first prompt byte of a pod of the pool, p50 / p99 of ${rounds}`,
    figure: spread(times),
    floor: `${spread(floor)} with the driver \`process\``,
    ratio: signed(median(times) - median(floor)),
    target: "≤ 100 ms above",
  };
}
