import { setTimeout as delay } from "node:timers/promises";
import type { TestServer } from "../support/server.ts";
import { TerminalClient } from "../support/terminal-client.ts";
import { type Figure, processFigures } from "./figures.ts";
import { GUEST, type GuestWorld } from "./guest-world.ts";

const ENVIRONMENTS = 10;
const IDLE_SECONDS = 20;
/** What a boot leaves to be collected and what a shell does at its start is over by then. */
const SETTLE_MS = 5000;
const STALLED_BYTES = 200_000_000;
const SAMPLE_MS = 100;

/** Memory and idle time of the server's process with real guests. */
export async function measureFootprint(world: GuestWorld): Promise<readonly Figure[]> {
  await world.closeTerminals();
  const { server } = world;
  const empty = processFigures(server.server.pid).residentMb;
  const environments: string[] = [];
  try {
    for (let count = 0; count < ENVIRONMENTS; count++) environments.push(await server.create(GUEST));
    await delay(SETTLE_MS);
    const before = processFigures(server.server.pid);
    await delay(IDLE_SECONDS * 1000);
    const after = processFigures(server.server.pid);
    const share = ((after.cpuSeconds - before.cpuSeconds) / IDLE_SECONDS) * 100;
    return [
      {
        name: `server's memory with ${ENVIRONMENTS} environments`,
        figure: `${after.residentMb.toFixed(0)} MB`,
        floor: `${empty.toFixed(0)} MB with none`,
        ratio: `+${(after.residentMb - empty).toFixed(0)} MB`,
        target: "≤ 120 MB",
      },
      {
        name: `server's idle time over ${IDLE_SECONDS} s`,
        figure: `${share.toFixed(2)} % of a core`,
        target: "< 0.5 %",
      },
    ];
  } finally {
    for (const id of environments) await server.server.ok("DELETE", `/v1/environments/${id}`);
  }
}

/** How far the server's memory moves while a client reads nothing of a long output. On the `process` driver, which is faster. */
export async function measureStall(server: TestServer): Promise<readonly Figure[]> {
  const { id } = await server.environment();
  const terminals = `/v1/environments/${id}/terminals`;
  const command = ["sh", "-c", `read go; yes 0123456789abcdef | head -c ${STALLED_BYTES}`];
  const terminal = await server.ok("POST", terminals, { command });
  const client = await new TerminalClient(server, id, terminal.id, { acknowledge: false }).opened();
  await delay(SETTLE_MS);
  const before = processFigures(server.pid).residentMb;
  const samples: number[] = [];
  client.type("\n");
  client.socket.pause();
  for (let isOver = false; !isOver; ) {
    await delay(SAMPLE_MS);
    samples.push(processFigures(server.pid).residentMb);
    const { terminals: found } = await server.ok("GET", terminals);
    isOver = found.some((one: { id: string; exit: unknown }) => one.id === terminal.id && one.exit !== null);
  }
  client.socket.terminate();
  const [least, most] = [Math.min(before, ...samples), Math.max(before, ...samples)];
  return [
    {
      name: "server's memory, a client stalled through 200 MB",
      figure: `${least.toFixed(0)} to ${most.toFixed(0)} MB`,
      floor: `${before.toFixed(0)} MB before`,
      ratio: `−${(before - least).toFixed(0)}, +${(most - before).toFixed(0)} MB`,
      target: "± 10 MB",
    },
  ];
}
