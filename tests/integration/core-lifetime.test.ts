import { expect, it } from "vitest";
import { ANN, BOB } from "./core-server.ts";
import { makeWorld } from "./core-world.ts";

const PATIENCE = { timeoutMs: 90_000 } as const;

it("an environment whose time to live is over is removed with a receipt, after a notice, also when it is stopped", async () => {
  const server = await (await makeWorld()).start();
  const { id, expiresAt } = await server.service.create(ANN, { name: "short", memoryMib: 128, ttlSeconds: 5 });
  expect(Date.parse(expiresAt ?? "")).toBeGreaterThan(Date.now());
  let notice: string | null = null;
  server.service.subscribe(() => {
    void server.service
      .get(ANN, id)
      .then((shown) => {
        notice = shown.notice?.code ?? notice;
      })
      .catch(() => {});
  });
  expect(await server.service.wait(ANN, id, { states: ["gone"], ...PATIENCE })).toBeNull();
  expect(notice).toBe("expiry");
  expect(await server.service.destroy(ANN, "short")).toMatchObject({ environment: id, cause: "expiry", left: [] });
  for (const reference of [id, "short"]) {
    await expect(server.service.get(ANN, reference)).rejects.toMatchObject({
      code: "ENVIRONMENT_NOT_FOUND",
      message: expect.stringMatching(/^'short' was removed at .+, because its time to live was over$/),
      details: { removal: { name: "short", cause: "expiry" } },
    });
    await expect(server.service.get(BOB, reference)).rejects.not.toHaveProperty("details.removal");
  }
});

it("a time that passed while no server ran is made up for at the next start", async () => {
  const world = await makeWorld();
  const first = await world.start();
  const { id } = await first.service.create(ANN, { memoryMib: 128, ttlSeconds: 2 });
  await first.close();
  const second = await world.start();
  expect(await second.service.wait(ANN, id, { states: ["gone"], ...PATIENCE })).toBeNull();
});

it("a pause is refused by a driver without snapshots, with what to do instead", async () => {
  const server = await (await makeWorld()).start();
  const { id } = await server.service.create(ANN, { memoryMib: 128 });
  await server.service.wait(ANN, id, { states: ["running"], ...PATIENCE });
  const unsupported = { code: "UNSUPPORTED", message: expect.stringContaining("stop it instead") };
  await expect(server.service.pause(ANN, id)).rejects.toMatchObject(unsupported);
  expect(await server.service.get(ANN, id)).toMatchObject({ state: "running", reason: null });
  expect(await server.service.resume(ANN, id)).toMatchObject({ state: "running" });
  expect(server.service.pool()).toEqual({ wanted: 0, ready: 0, reason: null });
  for (const template of server.service.templates()) expect(template.state).toBe("unsupported");
});
