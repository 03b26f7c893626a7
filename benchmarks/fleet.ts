/** What it costs to come to another server than the one that holds the environment, and how soon terminals are back when that one dies. */
import { setTimeout as delay } from "node:timers/promises";
import { FRAME } from "@microterm/protocol";
import { backoffMs } from "../packages/sdk/src/backoff.ts";
import { openFleet, type TestFleet } from "../support/fleet.ts";
import type { TestServer } from "../support/server.ts";
import { openTerminal } from "../support/sharing.ts";
import { TerminalClient } from "../support/terminal-client.ts";
import { median, signed, spread } from "./figures.ts";
import { createGroup } from "./group.ts";
import { openServed } from "./terminal-end.ts";
import { typeKeys } from "./terminals.ts";

const KEYS_A_ROUND = 200;
const ENVIRONMENTS = 10;
const TERMINALS_EACH = 50;
const CAT = "stty raw -echo; printf ready; exec cat";

interface World {
  readonly fleet: TestFleet;
  readonly holder: TestServer;
  readonly peer: TestServer;
}

/** One terminal that a client comes back to at the byte where it was. */
interface Followed {
  readonly environment: string;
  readonly terminal: string;
  client: TerminalClient;
}

async function follow(server: TestServer, environment: string): Promise<Followed> {
  const terminal = await openTerminal(server, environment, CAT);
  const client = await new TerminalClient(server, environment, terminal).opened();
  await client.until("ready");
  return { environment, terminal, client };
}

/** As the SDK does: again, until it is let in. A key tells that it is there. */
async function comeBack(server: TestServer, one: Followed): Promise<void> {
  const { environment, terminal } = one;
  await one.client.ended;
  const from = one.client.offset;
  for (let attempt = 0; attempt === 0 || one.client.ready === null; attempt++) {
    await delay(backoffMs(attempt, Math.random));
    one.client = new TerminalClient(server, environment, terminal, { from });
    await Promise.race([frame(one.client, FRAME.ready), one.client.ended]);
  }
  const echo = frame(one.client, FRAME.output);
  one.client.type("x");
  await echo;
}

const frame = ({ socket }: TerminalClient, type: number): Promise<void> =>
  new Promise((resolve) => socket.on("message", (message: Buffer) => message[0] === type && resolve()));

export const FLEET = createGroup<World>({
  async open() {
    const fleet = await openFleet();
    return { fleet, holder: await fleet.start(), peer: await fleet.start() };
  },
  close: ({ fleet }) => fleet.dispose(),
  benchmarks: {
    async "fleet-echo"({ holder, peer }, { rounds }) {
      const { id } = await holder.environment();
      const times = { direct: [] as number[], through: [] as number[] };
      for (let round = 0; round < rounds; round++) {
        times.direct.push(...(await typeKeys((script) => openServed(holder, id, script), KEYS_A_ROUND)));
        times.through.push(...(await typeKeys((script) => openServed(peer, id, script), KEYS_A_ROUND)));
      }
      return [
        {
          name: `key echo through another server of the fleet, p50 / p99 of ${times.through.length}`,
          figure: spread(times.through),
          floor: `${spread(times.direct)} at its holder`,
          ratio: signed(median(times.through) - median(times.direct)),
          target: "p50 ≤ 1 ms above",
        },
      ];
    },

    async "fleet-failover"({ holder, peer }) {
      const followed: Followed[] = [];
      for (let at = 0; at < ENVIRONMENTS; at++) {
        const { id } = await holder.environment();
        for (let count = 0; count < TERMINALS_EACH; count++) followed.push(await follow(peer, id));
      }
      const begin = performance.now();
      await holder.kill("SIGKILL");
      await Promise.all(followed.map((one) => comeBack(peer, one)));
      const took = performance.now() - begin;
      for (const { client } of followed) await client.close();
      return [
        {
          name: `${followed.length} terminals of ${ENVIRONMENTS} environments back after their server was killed`,
          figure: `${(took / 1000).toFixed(1)} s`,
          target: "≤ 5 s",
        },
      ];
    },
  },
});
