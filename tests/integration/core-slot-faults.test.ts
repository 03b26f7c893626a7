import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { FaultPoint } from "@microterm/core";
import { createRecordingDriver } from "@microterm/core/testing";
import { createSlotNetwork } from "@microterm/networks";
import { expect, it, onTestFinished, vi } from "vitest";
import { findLeftovers } from "../../packages/setup/src/doctor/leftovers.ts";
import { startSlotDaemon } from "../../support/slot-daemon.ts";
import { makeTempFolder } from "../../support/temp-folder.ts";
import { ANN, openServer } from "./core-server.ts";

const SLOTS = 2;
const ROUNDS = process.env.MICROTERM_SOAK === "1" ? 20 : 1;
/** Those between which a machine's slot is attached, used and released. */
const POINTS: readonly (FaultPoint | "policy" | "join" | "leave")[] = [
  "create.network",
  "create.machine",
  "create.running",
  "policy",
  "join",
  "leave",
  "destroy.row",
  "destroy.machine",
  "destroy.network",
];

async function dieAt(folder: string, socketPath: string, point: string): Promise<void> {
  const victim = join(import.meta.dirname, "core-slot-victim.ts");
  const child = spawn(process.execPath, [victim, folder, socketPath, point], { stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (said += data));
  const [, signal] = await once(child, "exit");
  expect(signal, `${point}: ${said}`).toBe("SIGKILL");
}

it.runIf(process.getuid?.() === 0)(
  "a server killed with -9 at any step of a slot leaves none behind",
  async () => {
    const daemon = await startSlotDaemon(SLOTS);
    const { client } = daemon;
    for (const point of Array.from({ length: ROUNDS }, () => POINTS).flat()) {
      const folder = await makeTempFolder();
      onTestFinished(() => folder.remove());
      await dieAt(folder.path, daemon.socketPath, point);
      const { slots } = await client.listNetworks();
      expect(slots, point).toHaveLength(point === "destroy.network" ? 0 : 1);

      // Machines of this driver end with their server, so that what is found of one is its slot alone.
      const server = await openServer(
        { folder: folder.path, agentBinary: "" },
        {
          network: createSlotNetwork({ daemon: client }),
          registry: () => ({ default: createRecordingDriver({ networkLinks: ["slot"] }) }),
        },
      );
      await server.service.recover();
      const ended = { states: ["running", "failed", "gone"], timeoutMs: 60_000 } as const;
      const found = await server.service.wait(ANN, "victim", ended);
      const { slots: kept } = await client.listNetworks();
      const owner = (await server.storage.environments.find("victim", ANN))?.machineId ?? null;
      expect(
        kept.map(({ machineId }) => machineId),
        point,
      ).toEqual(found?.state === "running" ? [owner] : []);
      expect((await server.service.destroy(ANN, "victim")).left, point).toEqual([]);
      await vi.waitUntil(async () => (await client.networkStatus()).freeSlots === SLOTS, { timeout: 60_000 });
      expect(await client.listNetworks(), point).toMatchObject({ slots: [], spare: { length: SLOTS } });
      expect((await findLeftovers(daemon, { daemon: client, server: null })).found, point).toEqual([]);
      expect(await server.service.list(ANN), point).toEqual([]);
      await server.close();
    }
  },
  ROUNDS * 180_000,
);
