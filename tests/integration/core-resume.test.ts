import { createRecordingDriver } from "@microterm/core/testing";
import type { Environment } from "@microterm/protocol";
import { expect, it, onTestFinished, vi } from "vitest";
import { makeTempFolder } from "../../support/temp-folder.ts";
import { ANN, openServer, type Server } from "./core-server.ts";

const PATIENCE = { timeoutMs: 60_000 } as const;

/** An environment that is being resumed, whose guest does not say which terminals it has before `answer` is called. */
async function resuming() {
  const folder = await makeTempFolder();
  onTestFinished(() => folder.remove());
  let asked = 0;
  let gate: Promise<void> | undefined;
  const { promise: held, resolve: answer, reject: fail } = Promise.withResolvers<void>();
  const driver = createRecordingDriver({
    async beforeTerminals() {
      asked += 1;
      await gate;
    },
  });
  const start = async (): Promise<Server> => {
    const server = await openServer(
      { folder: folder.path, agentBinary: "" },
      { registry: () => ({ default: driver }) },
    );
    await server.service.recover();
    return server;
  };
  const server = await start();
  const { id } = await server.service.create(ANN, { memoryMib: 300 });
  const before = (await server.service.wait(ANN, id, { states: ["running"], ...PATIENCE })) as Environment;
  await server.service.pause(ANN, id);
  await server.service.wait(ANN, id, { states: ["paused"], ...PATIENCE });
  gate = held;
  asked = 0;
  await server.service.resume(ANN, id);
  /** Until the guest is asked; what is seen of it meanwhile. */
  const seen = async ({ service }: Server): Promise<readonly Environment[]> => {
    const shown: Environment[] = [];
    await vi.waitUntil(async () => shown.push(await service.get(ANN, id)) > 1 && asked > 0, { timeout: 60_000 });
    return shown;
  };
  const expectWhole = async ({ service }: Server): Promise<void> => {
    const there = await service.wait(ANN, id, { states: ["running"], ...PATIENCE });
    expect(there?.terminals).toEqual(before.terminals);
  };
  return { server, start, answer, fail, seen, expectWhole };
}

it("a resumed environment is running once it is known which terminals it has, however busy its guest is", async () => {
  const { server, answer, seen, expectWhole } = await resuming();
  onTestFinished(() => server.close());
  expect((await seen(server)).map(({ state }) => state)).not.toContain("running");
  answer();
  await expectWhole(server);
});

it("a guest that has gone on and does not say which terminals it has is not given up for that", async () => {
  const { server, fail, seen } = await resuming();
  onTestFinished(() => server.close());
  const shown = await seen(server);
  fail(new Error("it does not answer"));
  const { id } = shown[0] as Environment;
  const there = await server.service.wait(ANN, id, { states: ["running", "failed"], ...PATIENCE });
  expect(there?.state).toBe("running");
});

it("so is one whose resume the next server finishes", async () => {
  const { server, start, answer, seen, expectWhole } = await resuming();
  await seen(server);
  await server.close();
  const next = await start();
  onTestFinished(() => next.close());
  expect((await seen(next)).map(({ state }) => state)).not.toContain("running");
  answer();
  await expectWhole(next);
});
