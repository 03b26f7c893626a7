/** How soon an environment is there, and what a machine that waits costs. */
import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { GuestAgent } from "@microterm/core";
import { TerminalId } from "@microterm/protocol";
import { type QemuServer, startQemuServer } from "../support/qemu-server.ts";
import { poll } from "../support/server.ts";
import { TerminalClient } from "../support/terminal-client.ts";
import type { BareGuest } from "./bare-qemu.ts";
import { type BareRestores, bareRestoresOf } from "./bare-restores.ts";
import { measureClones } from "./clones.ts";
import { type Figure, median, quantile } from "./figures.ts";
import { createGroup, type Settings } from "./group.ts";

const BURST = 10;
const SETTLE_MS = 10_000;
const BUILD_MS = 600_000;

const ms = (value: number): string => `${value.toFixed(0)} ms`;
const both = (samples: readonly number[]): string => `${ms(median(samples))} / ${ms(quantile(samples, 0.99))}`;

/** From the POST until a WebSocket client has the first byte of a prompt, as a page does it. Resolves with the id as well. */
export async function firstPrompt({
  server,
}: Pick<QemuServer, "server">): Promise<{ readonly id: string; readonly tookMs: number }> {
  const begin = performance.now();
  const { id } = await server.ok("POST", "/v1/environments", {});
  const { terminals } = await server.ok("GET", `/v1/environments/${id}/wait?state=running&timeoutMs=120000`);
  const client = new TerminalClient(server, id, terminals[0].id, { from: null, keep: false });
  await new Promise<void>((resolve) => {
    const look = () => {
      if (client.received > 0 || client.keyframes.some(({ offset }) => offset > 0n)) resolve();
    };
    client.socket.on("message", look);
    look();
  });
  const tookMs = performance.now() - begin;
  await client.close();
  return { id, tookMs };
}

const remove = (world: QemuServer, id: string) => world.server.ok("DELETE", `/v1/environments/${id}`);

async function untilTemplate(world: QemuServer): Promise<void> {
  await poll(
    "the template of the default size",
    async () => {
      const { templates } = await world.server.ok("GET", "/v1/host");
      return templates.some(
        ({ size, state }: { size: string; state: string }) => size === "medium" && state === "ready",
      );
    },
    BUILD_MS,
  );
}

/** The same identity that the product gives. */
async function revive(agent: GuestAgent): Promise<void> {
  const machineId = randomBytes(16).toString("hex");
  const seed = randomBytes(64);
  await agent.identify({
    hostname: "microterm",
    machineId,
    timeUnixMs: Date.now(),
    seed,
    environment: "bare",
    interface: null,
  });
}

/** Until a shell's first byte. */
async function firstByte(agent: GuestAgent): Promise<void> {
  const id = TerminalId.parse(randomBytes(4).toString("hex"));
  await agent.openTerminal({ id, cols: 80, rows: 24 });
  const nothing = () => undefined;
  await new Promise<void>((resolve, reject) => {
    const events = { output: () => resolve(), gap: nothing, resized: nothing, exited: nothing, closed: nothing };
    agent.attach(id, { events }).catch(reject);
  });
}

interface BareTimes {
  readonly guest: BareGuest;
  /** Until identified. */
  readonly readyMs: number;
  readonly shellMs: number;
}

async function bare({ restore }: BareRestores): Promise<BareTimes> {
  const begin = performance.now();
  const guest = await restore();
  // The copy of the disk is made before the VMM is started: of the time only what `startMs` counts is the VMM's.
  const copying = performance.now() - begin - guest.startMs;
  await revive(guest.agent);
  const readyMs = performance.now() - begin - copying;
  await firstByte(guest.agent);
  return { guest, readyMs, shellMs: performance.now() - begin - copying - readyMs };
}

interface RestoringWorld {
  readonly world: QemuServer;
  readonly recipe: BareRestores;
}

/** A world without a pool, whose default size is ready. */
async function restoringWorld({ driver }: Settings): Promise<RestoringWorld> {
  const world = await startQemuServer({ serverArgs: ["--templates"], vmm: driver });
  try {
    await untilTemplate(world);
    const { id } = await firstPrompt(world);
    const recipe = await bareRestoresOf(world.daemon, driver);
    await remove(world, id);
    return { world, recipe };
  } catch (error) {
    // What is left by a failure is its consequence, and is not to hide it.
    await world.close().catch(() => undefined);
    throw error;
  }
}

/** The VMM's own part of a restore, which no product can shorten. */
async function measureLoads({ recipe }: RestoringWorld, rounds: number): Promise<readonly Figure[]> {
  const loads: number[] = [];
  const hellos: number[] = [];
  for (let round = 0; round < rounds * 2; round++) {
    const guest = await recipe.restore();
    loads.push(guest.loadMs);
    hellos.push(guest.startMs);
    await guest.close();
  }
  const name = `bare ${recipe.title}: load → running, p50 of ${loads.length}`;
  const floor = `${ms(median(hellos))} from its start until the agent's hello`;
  return [{ name, figure: `${median(loads).toFixed(1)} ms`, floor, target: recipe.publishedLoad }];
}

export const POOL = createGroup<QemuServer>({
  open: ({ driver }) => startQemuServer({ serverArgs: ["--pool", "2"], vmm: driver }),
  close: (world) => world.close(),
  benchmarks: {
    async pool(world, { rounds }) {
      const times: number[] = [];
      // A person who clicks has loaded the page, at which the server gets ready for a terminal.
      await world.server.call("GET", "/");
      for (let round = 0; round < rounds * 20; round++) {
        await poll("a full pool", async () => (await world.server.ok("GET", "/v1/host")).pool.ready >= 2, BUILD_MS);
        const { id, tookMs } = await firstPrompt(world);
        times.push(tookMs);
        await remove(world, id);
      }
      const name = `POST → first prompt byte, pool warm, p50 / p99 of ${times.length}`;
      return [{ name, figure: both(times), target: "≤ 30 / ≤ 80 ms" }];
    },
  },
});

export const RESTORES = createGroup<RestoringWorld>({
  open: restoringWorld,
  close: ({ world }) => world.close(),
  benchmarks: {
    async restore({ world, recipe }, { rounds }) {
      const floor: number[] = [];
      const shells: number[] = [];
      const product: number[] = [];
      for (let round = 0; round < rounds * 2; round++) {
        const { guest, readyMs, shellMs } = await bare(recipe);
        await guest.close();
        floor.push(readyMs);
        shells.push(shellMs);
        const { id, tookMs } = await firstPrompt(world);
        product.push(tookMs);
        await remove(world, id);
      }
      const ratio = (median(product) - median(shells)) / median(floor);
      return [
        {
          name: `POST → first prompt byte, pool empty, p50 of ${product.length}`,
          figure: ms(median(product)),
          floor: `${ms(median(floor))} bare restore and identity, ${ms(median(shells))} its shell`,
          ratio: `${ratio.toFixed(2)} × besides the shell`,
          target: "≤ 1.3 × a bare restore, plus a shell",
        },
      ];
    },

    async burst({ world, recipe }, { rounds }) {
      const floor: number[] = [];
      const product: number[] = [];
      for (let round = 0; round < rounds; round++) {
        const guests = await Promise.all(Array.from({ length: BURST }, () => bare(recipe)));
        floor.push(Math.max(...guests.map(({ readyMs, shellMs }) => readyMs + shellMs)));
        for (const { guest } of guests) await guest.close();
        const begin = performance.now();
        const made = await Promise.all(Array.from({ length: BURST }, () => firstPrompt(world)));
        product.push(performance.now() - begin);
        for (const { id } of made) await remove(world, id);
      }
      return [
        {
          name: `${BURST} creates at once, pool empty, until the last prompt`,
          figure: ms(median(product)),
          floor: ms(median(floor)),
          ratio: `${(median(product) / median(floor)).toFixed(2)} ×`,
          target: "≤ 1.2 × as many bare restores at once",
        },
      ];
    },

    async resume({ world, recipe }, { rounds }) {
      const resumed: number[] = [];
      const paused: number[] = [];
      const floor: number[] = [];
      const { id } = await firstPrompt(world);
      for (let round = 0; round < rounds; round++) {
        let begin = performance.now();
        await world.server.ok("POST", `/v1/environments/${id}/pause`);
        await world.until(id, "paused");
        paused.push(performance.now() - begin);
        begin = performance.now();
        await world.server.ok("POST", `/v1/environments/${id}/resume`);
        await world.until(id, "running");
        await world.server.ok("GET", `/v1/environments/${id}/terminals`);
        resumed.push(performance.now() - begin);
        const { guest, readyMs } = await bare(recipe);
        floor.push(readyMs);
        await guest.close();
      }
      await remove(world, id);
      return [
        {
          name: `resume until its terminals answer, p50 of ${rounds}`,
          figure: ms(median(resumed)),
          floor: `${ms(median(floor))} bare restore`,
          ratio: `${(median(resumed) / median(floor)).toFixed(2)} ×`,
          target: "≤ 1.5 × restore",
        },
        { name: "pause until its memory is saved", figure: ms(median(paused)), target: "" },
      ];
    },

    async load(world, { rounds }) {
      return measureLoads(world, rounds);
    },

    async memory({ world, recipe }) {
      const { guest } = await bare(recipe);
      try {
        const { id } = await firstPrompt(world);
        await delay(SETTLE_MS);
        const figures = await measureClones(world, { environment: id, bare: guest.pid });
        await remove(world, id);
        return figures;
      } finally {
        await guest.close();
      }
    },
  },
});
