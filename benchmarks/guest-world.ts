import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { type QemuServer, startQemuServer } from "../support/qemu-server.ts";
import { bootBare, type GuestRecipe, recipeOf } from "./bare-guest.ts";
import type { BareGuest } from "./bare-qemu.ts";
import { RAW_PORT, rawTerminals } from "./raw-terminal.ts";
import { type OpenTerminal, openServed } from "./terminal-end.ts";

/** Small enough that ten fit on most hosts. */
export const GUEST = { memoryMib: 128, diskMib: 256 };

/** The whole product with real guests, and the same guest bare. What is not asked for is not made. */
export interface GuestWorld {
  readonly server: QemuServer;
  recipe(): Promise<GuestRecipe>;
  /** Terminals of one environment through the product, and of one bare guest through a raw port. */
  terminals(): Promise<{ readonly served: OpenTerminal; readonly raw: OpenTerminal }>;
  /** Ends the guests of `terminals`: an idle guest still takes some of the host's time. */
  closeTerminals(): Promise<void>;
  /** Rejects when anything is left on the host. */
  close(): Promise<void>;
}

interface Pair {
  readonly environment: string;
  readonly bare: BareGuest;
  readonly served: OpenTerminal;
  readonly raw: OpenTerminal;
}

export async function startGuestWorld(): Promise<GuestWorld> {
  const server = await startQemuServer();
  let recipe: GuestRecipe | null = null;
  let pair: Pair | null = null;
  const blank = randomBytes(8).toString("hex");

  const read = async (): Promise<GuestRecipe> => {
    const { daemon } = server;
    await daemon.client.createDisk(blank, GUEST.diskMib);
    const environment = await server.create(GUEST);
    const found = await recipeOf(daemon, join(daemon.data, "host/disks", `${blank}.ext4`));
    await server.server.ok("DELETE", `/v1/environments/${environment}`);
    return found;
  };

  const world: GuestWorld = {
    server,
    async recipe() {
      recipe ??= await read();
      return recipe;
    },
    async terminals() {
      if (pair !== null) return pair;
      const bare = await bootBare(await world.recipe(), { rawPort: RAW_PORT });
      try {
        const raw = await rawTerminals(bare);
        const environment = await server.create(GUEST);
        pair = { environment, bare, raw, served: (script) => openServed(server.server, environment, script) };
      } catch (error) {
        await bare.close();
        throw error;
      }
      return pair;
    },
    async closeTerminals() {
      const ended = pair;
      pair = null;
      if (ended === null) return;
      await ended.bare.close();
      await server.server.ok("DELETE", `/v1/environments/${ended.environment}`);
    },
    async close() {
      try {
        await world.closeTerminals();
      } finally {
        await server.close();
      }
    },
  };
  return world;
}
