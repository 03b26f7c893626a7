import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { type QemuServer, startQemuServer } from "../support/qemu-server.ts";
import type { TestDaemon } from "../support/test-daemon.ts";
import { type FirecrackerRecipe, firecrackerRecipeOf, startFirecracker } from "./bare-firecracker.ts";
import { bootBare, type GuestRecipe, recipeOf } from "./bare-guest.ts";
import type { BareGuest } from "./bare-qemu.ts";
import type { MeasuredDriver } from "./driver.ts";
import type { Settings } from "./group.ts";
import { RAW_PORT, rawTerminals } from "./raw-terminal.ts";
import { type OpenTerminal, openServed } from "./terminal-end.ts";

/** Small enough that ten fit on most hosts. */
export const GUEST = { memoryMib: 128, diskMib: 256 };

/** The whole product with real guests, and the same guest bare. What is not asked for is not made. */
export interface GuestWorld {
  readonly server: QemuServer;
  readonly driver: MeasuredDriver;
  /** The same guest without the product, booted. */
  bootBare(): Promise<BareGuest>;
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

export async function startGuestWorld({ driver }: Settings): Promise<GuestWorld> {
  const server = await startQemuServer({ vmm: driver });
  let qemu: GuestRecipe | null = null;
  let firecracker: FirecrackerRecipe | null = null;
  let pair: Pair | null = null;
  const blank = randomBytes(8).toString("hex");

  /** Of the product's own guest. The disk stays, to be copied. */
  const read = async <Recipe>(recipe: (daemon: TestDaemon, blankDisk: string) => Promise<Recipe>): Promise<Recipe> => {
    const { daemon } = server;
    await daemon.client.createDisk(blank, GUEST.diskMib);
    const environment = await server.create(GUEST);
    const found = await recipe(daemon, join(daemon.data, "host/disks", `${blank}.ext4`));
    await server.server.ok("DELETE", `/v1/environments/${environment}`);
    return found;
  };
  const qemuRecipe = async (): Promise<GuestRecipe> => {
    qemu ??= await read(recipeOf);
    return qemu;
  };

  const world: GuestWorld = {
    server,
    driver,
    async bootBare() {
      if (driver.driver === "qemu") return bootBare(await qemuRecipe());
      firecracker ??= await read(firecrackerRecipeOf);
      return startFirecracker(firecracker);
    },
    async terminals() {
      if (pair !== null) return pair;
      if (driver.driver !== "qemu") throw new Error("its floor is a second virtio-serial port, which QEMU alone has");
      const bare = await bootBare(await qemuRecipe(), { rawPort: RAW_PORT });
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
