/** What a guest's way to the outside costs: names, a connection's round trip, and bytes, in a host and an internet of namespaces. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "@microterm/host";
import { MANY_DOMAIN, PLACES } from "../support/internet/places.ts";
import { type NetworkedGuest, networkedGuest } from "../support/networked-guest.ts";
import { type QemuServer, startQemuServer } from "../support/qemu-server.ts";
import { startTestHost, type TestHost } from "../support/test-host.ts";
import { median, signed, spread } from "./figures.ts";
import { createGroup } from "./group.ts";

const PROGRAM = join(import.meta.dirname, "network-times.py");
const NAMES = 200;
const ECHOES = 500;
const BULK_BYTES = 32 << 20;
const WEB = PLACES["web.example.org"] ?? "";

interface World {
  readonly host: TestHost;
  readonly server: QemuServer;
  readonly guest: NetworkedGuest;
}

async function open(): Promise<World> {
  const host = await startTestHost();
  try {
    const server = await startQemuServer({ host });
    try {
      const id = await server.create();
      await server.server.call("PUT", `/v1/environments/${id}/files/content?path=times.py`, {
        raw: readFileSync(PROGRAM),
      });
      return { host, server, guest: await networkedGuest(server, id) };
    } catch (error) {
      await server.close();
      throw error;
    }
  } catch (error) {
    await host.close();
    throw error;
  }
}

const numbers = (text: string): number[] => text.trim().split("\n").map(Number);

/** The same program in the guest, and on its host, where the link to the internet is one bare veth. */
function pair({ host, guest }: World, words: string): { guest(): Promise<number[]>; host(): Promise<number[]> } {
  return {
    guest: async () => numbers(await guest.run(`python3 times.py ${words}`)),
    async host() {
      const { code, stdout, stderr } = await runCommand(host.inside(["python3", PROGRAM, ...words.split(" ")]));
      if (code !== 0) throw new Error(stderr);
      return numbers(stdout);
    },
  };
}

async function byTurns(world: World, words: string, rounds: number): Promise<{ guest: number[]; host: number[] }> {
  const ask = pair(world, words);
  const times: { guest: number[]; host: number[] } = { guest: [], host: [] };
  for (let round = 0; round < rounds; round++) {
    times.guest.push(...(await ask.guest()));
    times.host.push(...(await ask.host()));
  }
  return times;
}

export const NETWORK = createGroup<World>({
  open,
  async close({ host, server }) {
    try {
      await server.close();
    } finally {
      await host.close();
    }
  },
  benchmarks: {
    async names(world, { rounds }) {
      const figures = [];
      for (const [what, allow, pattern, target] of [
        ["that is allowed already", "web.example.org", "web.example.org", "p50 ≤ 3 ms above"],
        ["whose address is admitted first", `*.${MANY_DOMAIN}`, `r%d.${MANY_DOMAIN}`, "p50 ≤ 10 ms above"],
      ] as const) {
        await world.guest.setPolicy({ mode: "allowlist", allow: [{ domain: allow }] });
        const times: { guest: number[]; host: number[] } = { guest: [], host: [] };
        for (let round = 0; round < rounds; round++) {
          const ask = pair(world, `names ${NAMES} ${pattern.replace("r%", `${round}-%`)}`);
          times.guest.push(...(await ask.guest()));
          times.host.push(...(await ask.host()));
        }
        figures.push({
          name: `a name ${what}, from the guest, p50 / p99 of ${times.guest.length}`,
          figure: spread(times.guest),
          floor: `${spread(times.host)} from the host`,
          ratio: signed(median(times.guest) - median(times.host)),
          target,
        });
      }
      return figures;
    },
    async outside(world, { rounds }) {
      await world.guest.setPolicy({ mode: "open" });
      const echo = await byTurns(world, `echoes ${WEB} ${ECHOES}`, rounds);
      const bulk = await byTurns(world, `bulk ${WEB} ${BULK_BYTES}`, rounds);
      return [
        {
          name: `a byte's round trip to the outside, p50 / p99 of ${echo.guest.length}`,
          figure: spread(echo.guest),
          floor: `${spread(echo.host)} over the host's bare veth`,
          ratio: signed(median(echo.guest) - median(echo.host)),
          target: "",
        },
        {
          name: `${BULK_BYTES >> 20} MiB to the outside and back at once, p50 of ${rounds}`,
          figure: `${median(bulk.guest).toFixed(0)} MB/s`,
          floor: `${median(bulk.host).toFixed(0)} MB/s over the host's bare veth`,
          ratio: `${(median(bulk.host) / median(bulk.guest)).toFixed(1)} ×`,
          target: "",
        },
      ];
    },
  },
});
