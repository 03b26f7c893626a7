import { SYSTEM, type VmDriver } from "@microterm/core";
import { runInGuest } from "@microterm/core/testing";
import { expect, it, vi } from "vitest";
import { ANN } from "./core-server.ts";
import { makeWorld } from "./core-world.ts";

const PATIENT = { timeoutMs: 90_000 } as const;

/** The process driver as one whose boots take long. */
const slow = (own: VmDriver): VmDriver => ({ ...own, capabilities: { ...own.capabilities, bootsAhead: true } });

it("machines are booted ahead where a driver asks for it, claimed without another start, and end with the server", async () => {
  const world = await makeWorld();
  const options = { pool: 1, registry: (own: VmDriver) => ({ default: slow(own) }) };
  const server = await world.start(options);
  const filled = () => vi.waitFor(() => expect(server.service.pool()).toMatchObject({ wanted: 1, ready: 1 }), 90_000);
  await filled();
  const [waiting] = await server.driver.list();
  expect(waiting).toMatchObject({ alive: true, environmentId: null });

  const { id, name } = await server.service.create(ANN, {});
  await server.service.wait(ANN, id, { states: ["running"], ...PATIENT });
  expect((await server.storage.environments.get(id, SYSTEM))?.machineId).toBe(waiting?.machineId);
  const said = await runInGuest(await server.service.agent(ANN, id), ["sh", "-c", "echo $MICROTERM_NAME"]);
  expect(said.stdout).toBe(`${name}\n`);
  await filled();
  expect(await server.driver.list()).toHaveLength(2);
  await server.close();
  expect((await server.driver.list()).map(({ machineId }) => machineId)).toEqual([waiting?.machineId]);

  const next = await world.start();
  expect(await next.service.get(ANN, id)).toMatchObject({ state: "running" });
});

it("no machine is booted ahead of a driver that is fast enough", async () => {
  const server = await (await makeWorld()).start({ pool: 1 });
  expect(server.service.pool()).toEqual({ wanted: 0, ready: 0, reason: null });
});
