import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { FAULT_POINTS, type FaultPoint, SYSTEM } from "@microterm/core";
import { PlatformError } from "@microterm/protocol";
import { describe, expect, it, onTestFinished } from "vitest";
import { ANN, type Server } from "./core-server.ts";
import { makeWorld, type World } from "./core-world.ts";

type Scenario = "create" | "start" | "stop" | "ended" | "destroy" | "recover";
type Outcome = "running" | "stopped" | "failed" | "gone";

const scenarioOf = (point: FaultPoint) => point.slice(0, point.indexOf(".")) as Scenario;

/** What a server that was killed at a point leaves to the next one to arrive at. */
const OUTCOMES: Readonly<Record<Exclude<Scenario, "recover">, Outcome>> = {
  create: "running",
  start: "running",
  stop: "stopped",
  ended: "failed",
  destroy: "gone",
};

/** Runs a server that must die at the point. */
async function dieAt(world: World, point: FaultPoint, scenario: Scenario): Promise<void> {
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, "core-victim.ts"), world.folder, world.agentBinary, point, scenario],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (said += data));
  const [, signal] = await once(child, "exit");
  expect(signal, said).toBe("SIGKILL");
}

async function arrived(server: Server, outcome: Outcome): Promise<void> {
  const { service, driver } = server;
  const there = await service.wait(ANN, "victim", { states: [outcome], timeoutMs: 90_000 });
  if (outcome === "gone") {
    expect(there).toBeNull();
    expect((await service.destroy(ANN, "victim")).left).toEqual([]);
  }
  if (outcome === "running") {
    const [terminal, ...others] = await service.terminals(ANN, "victim");
    expect(terminal?.exit).toBeNull();
    expect(others).toEqual([]);
  }
  const machines = (await driver.list()).map((machine) => machine.environmentId);
  expect(machines).toEqual(outcome === "running" && there !== null ? [there.id] : []);
}

/** Those that a driver without snapshots comes by; the others are in tests/vm/{pool,pause}.test.ts. */
const OWN_POINTS = FAULT_POINTS.filter((point) => Object.hasOwn(OUTCOMES, scenarioOf(point)));

describe("a server killed with -9 at", () => {
  it.each(OWN_POINTS)("%s leaves what the next one repairs", async (point) => {
    const world = await makeWorld();
    const scenario = scenarioOf(point);
    await dieAt(world, point, scenario);
    await arrived(await world.start(), OUTCOMES[scenario as Exclude<Scenario, "recover">]);
  });

  it("two boots of one environment after another leaves it failed, and startable", async () => {
    const world = await makeWorld();
    await dieAt(world, "create.machine", "create");
    await dieAt(world, "create.agent", "recover");
    const server = await world.start();
    await arrived(server, "failed");
    expect((await server.service.get(ANN, "victim")).reason).toMatch(/twice/);
    await server.service.start(ANN, "victim");
    await arrived(server, "running");
  });

  it("a destroy that a recovery was finishing leaves it to the next recovery", async () => {
    const world = await makeWorld();
    await dieAt(world, "destroy.row", "destroy");
    await dieAt(world, "destroy.machine", "recover");
    await arrived(await world.start(), "gone");
  });
});

describe("a change of which only the database knows that it was made", () => {
  it.each(["create.row", "start.row", "stop.row", "destroy.row"] as const)(
    "is finished by the recovery that follows an outage (%s)",
    async (point) => {
      const world = await makeWorld();
      let isAway = false;
      const hit = (reached: FaultPoint): void => {
        if (isAway && reached === point) throw new PlatformError("DATABASE_UNAVAILABLE", "the database is away");
      };
      const server = await world.start({ faults: { hit } });
      const { service } = server;
      const states = { timeoutMs: 90_000 };
      const scenario = scenarioOf(point) as "create" | "start" | "stop" | "destroy";
      if (scenario !== "create") {
        await service.create(ANN, { name: "victim", memoryMib: 128 });
        await service.wait(ANN, "victim", { states: ["running"], ...states });
      }
      if (scenario === "start") {
        await service.stop(ANN, "victim");
        await service.wait(ANN, "victim", { states: ["stopped"], ...states });
      }
      isAway = true;
      const asked =
        scenario === "create"
          ? service.create(ANN, { name: "victim", memoryMib: 128 })
          : service[scenario](ANN, "victim");
      await expect(asked).rejects.toMatchObject({ code: "DATABASE_UNAVAILABLE" });
      isAway = false;
      await service.recover();
      await arrived(server, OUTCOMES[scenario]);
    },
  );
});

describe("a recovery", () => {
  it("takes over a running machine with its terminals", async () => {
    const world = await makeWorld();
    const first = await world.start();
    const { id } = await first.service.create(ANN, { name: "victim", memoryMib: 128 });
    const before = await first.service.wait(ANN, id, { states: ["running"], timeoutMs: 90_000 });
    await first.close();
    const second = await world.start();
    const after = await second.service.get(ANN, id);
    // What it printed meanwhile moves its offsets, and nothing else.
    const still = (shown: typeof before) => shown?.terminals.map(({ endOffset: _, ...rest }) => rest);
    expect(still(after)).toEqual(still(before));
    expect({ ...after, terminals: [] }).toEqual({ ...before, terminals: [] });
    await arrived(second, "running");
  });

  it("finds a machine that died meanwhile, and removes one that nobody owns", async () => {
    const world = await makeWorld();
    const first = await world.start();
    const { id } = await first.service.create(ANN, { name: "victim", memoryMib: 128 });
    await first.service.wait(ANN, id, { states: ["running"], timeoutMs: 90_000 });
    const stray = await first.service.create(ANN, { name: "stray", memoryMib: 128 });
    await first.service.wait(ANN, stray.id, { states: ["running"], timeoutMs: 90_000 });
    await first.storage.environments.transition(stray.id, ["running"], "stopped", { machineId: null });
    const machineId = (await first.storage.environments.get(id, SYSTEM))?.machineId;
    if (machineId == null) throw new Error("it has no machine");
    const pid = await world.agentPid(machineId);
    await first.close();
    process.kill(pid, "SIGKILL");
    const second = await world.start();
    await arrived(second, "failed");
    expect((await second.service.get(ANN, id)).reason).toBe("the VMM died while the server was down");
  });
});
