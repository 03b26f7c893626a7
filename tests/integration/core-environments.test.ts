import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Actor, SYSTEM } from "@microterm/core";
import type { Environment, EnvironmentId } from "@microterm/protocol";
import { describe, expect, it, onTestFinished } from "vitest";
import { ANN, BOB, type Server } from "./core-server.ts";
import { makeWorld } from "./core-world.ts";

const PATIENCE = { timeoutMs: 90_000 } as const;
const SMALL = { memoryMib: 128 } as const;

async function running(server: Server, request: { name?: string } = {}): Promise<Environment> {
  const { id } = await server.service.create(ANN, { ...SMALL, ...request });
  return (await server.service.wait(ANN, id, { states: ["running"], ...PATIENCE })) as Environment;
}

async function machineOf(server: Server, id: EnvironmentId) {
  const row = await server.storage.environments.get(id, SYSTEM);
  if (row?.machineId == null) throw new Error("it has no machine");
  return row.machineId;
}

describe("a create", () => {
  it("answers at once and shows its steps on the way to a terminal", async () => {
    const server = await (await makeWorld()).start();
    const steps: (string | null)[] = [];
    const looking: Promise<void>[] = [];
    server.service.subscribe(({ id }) => {
      looking.push(
        server.storage.environments.get(id, SYSTEM).then((row) => {
          steps.push(row?.step ?? row?.state ?? null);
        }),
      );
    });
    const created = await server.service.create(ANN, SMALL);
    expect(created).toMatchObject({
      state: "creating",
      operation: "start",
      step: "disk",
      reason: null,
      owner: ANN.owner,
    });
    expect(created).toMatchObject({ terminals: [], isolation: "none" });
    expect(created.name).toMatch(/^[a-z]+-[a-z]+$/);
    const there = await server.service.wait(ANN, created.id, { states: ["running"], ...PATIENCE });
    expect(there).toMatchObject({ id: created.id, state: "running", operation: null, step: null, memoryMib: 128 });
    expect(there?.terminals).toMatchObject([{ cols: 80, rows: 24, exit: null }]);
    await Promise.all(looking);
    expect([...new Set(steps)]).toEqual(["disk", "machine", "kernel", "agent", "terminal", "running"]);
  });

  it("refuses a taken name, and leaves another owner's alone", async () => {
    const server = await (await makeWorld()).start();
    const mine = await running(server, { name: "one" });
    await expect(server.service.create(ANN, { ...SMALL, name: "one" })).rejects.toMatchObject({ code: "NAME_TAKEN" });
    for (const reference of ["one", mine.id]) {
      const notFound = { code: "ENVIRONMENT_NOT_FOUND" };
      await expect(server.service.get(BOB, reference)).rejects.toMatchObject(notFound);
      await expect(server.service.destroy(BOB, reference)).rejects.toMatchObject(notFound);
      await expect(server.service.agent(BOB, reference)).rejects.toMatchObject(notFound);
    }
    expect(await server.service.list(BOB)).toEqual([]);
    expect((await server.service.get(ANN, mine.id.slice(0, 6))).name).toBe("one");
  });

  it("refuses more memory than the host has before anything is made", async () => {
    const server = await (await makeWorld()).start();
    await expect(server.service.create(ANN, { memoryMib: 65_536 * 64 })).rejects.toMatchObject({
      code: "HOST_OUT_OF_MEMORY",
    });
    expect(await server.service.list(ANN)).toEqual([]);
    expect(await server.driver.list()).toEqual([]);
  });

  it("says why it failed, after a second attempt that can be seen", async () => {
    const world = await makeWorld();
    const server = await world.start();
    const broken = join(world.folder, "broken-agent");
    await writeFile(broken, "#!/bin/sh\necho the agent says no >&2\nexit 3\n");
    await chmod(broken, 0o755);
    const other = await (await makeWorld({ agentBinary: broken })).start();
    const reasons: (string | null)[] = [];
    other.service.subscribe(({ id }) => {
      void other.storage.environments.get(id, SYSTEM).then((row) => reasons.push(row?.reason ?? null));
    });
    const { id } = await other.service.create(ANN, SMALL);
    await expect(other.service.wait(ANN, id, { states: ["running"], ...PATIENCE })).rejects.toMatchObject({
      code: "ENVIRONMENT_STATE",
    });
    expect(await other.service.get(ANN, id)).toMatchObject({ state: "failed", reason: expect.stringMatching(/.+/) });
    expect(reasons).toContainEqual(expect.stringMatching(/^second attempt: .+$/));
    expect(await other.driver.list()).toEqual([]);
    expect(await server.driver.list()).toEqual([]);
  });

  it("gives up a guest that never answers, and leaves nothing of either attempt", async () => {
    const world = await makeWorld();
    const silent = join(world.folder, "silent-agent");
    await writeFile(silent, "#!/bin/sh\nsleep 1000\n");
    await chmod(silent, 0o755);
    const server = await (await makeWorld({ agentBinary: silent })).start({ limits: { bootDeadlineMs: 2000 } });
    const { id } = await server.service.create(ANN, SMALL);
    const failed = await server.service.wait(ANN, id, { states: ["failed"], ...PATIENCE });
    expect(failed?.reason).toMatch(/no end of step 'kernel' 2 s after the start|did not answer within/);
    expect(server.log.lines.filter((line) => line.includes("tried once more"))).toHaveLength(1);
    expect(await server.driver.list()).toEqual([]);
  });
});

describe("a token that may only read", () => {
  it("sees what its account has, and neither terminals' output nor changes", async () => {
    const server = await (await makeWorld()).start();
    const { service } = server;
    const { id } = await running(server, { name: "shown" });
    const looking: Actor = { ...ANN, scopes: new Set(["environments:read"]) };
    expect((await service.list(looking)).map((one) => one.name)).toEqual(["shown"]);
    expect(await service.terminals(looking, id)).toHaveLength(1);
    expect(await service.locateTerminal(ANN, id, "owner")).toEqual({ id, role: "owner" });
    expect(await service.locateTerminal(ANN, id, "viewer")).toEqual({ id, role: "viewer" });
    await expect(service.locateTerminal(BOB, id, "viewer")).rejects.toMatchObject({ code: "ENVIRONMENT_NOT_FOUND" });
    for (const attempt of [
      () => service.locateTerminal(looking, id, "viewer"),
      () => service.create(looking, SMALL),
      () => service.update(looking, id, { ttlSeconds: 60 }),
      () => service.start(looking, id),
      () => service.stop(looking, id),
      () => service.pause(looking, id),
      () => service.resume(looking, id),
      () => service.destroy(looking, id),
      () => service.agent(looking, id),
      () => service.locate(looking, id, "guest.exec"),
      () => service.openTerminal(looking, id, { cols: 80, rows: 24 }),
    ]) {
      await expect(attempt()).rejects.toMatchObject({ code: "FORBIDDEN" });
    }
    expect(await service.get(ANN, id)).toMatchObject({ state: "running", operation: null, expiresAt: null });
  });
});

describe("stop and start", () => {
  it("end the machine and make a new one, and have no effect twice", async () => {
    const server = await (await makeWorld()).start();
    const { id } = await running(server);
    const first = await machineOf(server, id);
    expect(await server.service.start(ANN, id)).toMatchObject({ state: "running" });
    const stopping = await server.service.stop(ANN, id);
    expect(stopping).toMatchObject({ state: "running", operation: "stop" });
    await server.service.stop(ANN, id);
    const stopped = await server.service.wait(ANN, id, { states: ["stopped"], ...PATIENCE });
    expect(stopped).toMatchObject({ operation: null, reason: null, terminals: [] });
    expect(await server.service.stop(ANN, id)).toMatchObject({ state: "stopped" });
    expect(await server.driver.list()).toEqual([]);
    await expect(server.service.agent(ANN, id)).rejects.toMatchObject({ code: "ENVIRONMENT_STATE" });

    const started = await Promise.all([server.service.start(ANN, id), server.service.start(ANN, id)]);
    for (const one of started) expect(["creating", "running"]).toContain(one.state);
    await server.service.wait(ANN, id, { states: ["running"], ...PATIENCE });
    expect(await machineOf(server, id)).not.toBe(first);
    expect(await server.driver.list()).toHaveLength(1);
  });

  it("bring back an environment whose machine died", async () => {
    const world = await makeWorld();
    const server = await world.start();
    const { id } = await running(server);
    process.kill(await world.agentPid(await machineOf(server, id)), "SIGKILL");
    const failed = await server.service.wait(ANN, id, { states: ["failed"], ...PATIENCE });
    expect(failed?.reason).toMatch(/^the VMM died: /);
    await server.service.start(ANN, id);
    expect(await server.service.wait(ANN, id, { states: ["running"], ...PATIENCE })).toMatchObject({ reason: null });
  });
});

describe("a destroy", () => {
  it("gives the same receipt to two at once, and again later, by id and by name", async () => {
    const server = await (await makeWorld()).start();
    const removed: string[] = [];
    server.service.subscribe(({ kind, id }) => {
      if (kind === "removed") removed.push(id);
    });
    const { id } = await running(server, { name: "one" });
    const [first, second] = await Promise.all([server.service.destroy(ANN, id), server.service.destroy(ANN, "one")]);
    expect(first).toMatchObject({ environment: id, name: "one", cause: "request", left: [] });
    expect(first.removed.processes).toBeGreaterThanOrEqual(1);
    expect(second).toEqual(first);
    expect(await server.service.destroy(ANN, id)).toEqual(first);
    expect(await server.service.destroy(ANN, "one")).toEqual(first);
    await expect(server.service.get(ANN, id)).rejects.toMatchObject({ code: "ENVIRONMENT_NOT_FOUND" });
    await expect(server.service.destroy(BOB, id)).rejects.toMatchObject({ code: "ENVIRONMENT_NOT_FOUND" });
    expect(await server.service.wait(ANN, id, { states: ["gone"], ...PATIENCE })).toBeNull();
    expect(removed).toEqual([id]);
    expect(await server.driver.leftovers([id])).toEqual([]);
  });

  it("takes over from a boot at any step", async () => {
    const server = await (await makeWorld()).start();
    for (const step of ["disk", "machine", "kernel", "agent", "terminal"]) {
      const { id } = await server.service.create(ANN, SMALL);
      const reached = new Promise<void>((resolve) => {
        onTestFinished(
          server.service.subscribe(() => {
            void server.storage.environments.get(id, SYSTEM).then((row) => {
              if (row?.step === step || row?.state !== "creating") resolve();
            });
          }),
        );
      });
      await reached;
      expect((await server.service.destroy(ANN, id)).left).toEqual([]);
    }
    expect(await server.service.list(ANN)).toEqual([]);
    expect(await server.driver.list()).toEqual([]);
  });

  it("takes over from a stop", async () => {
    const server = await (await makeWorld()).start();
    const { id } = await running(server);
    await server.service.stop(ANN, id);
    expect((await server.service.destroy(ANN, id)).left).toEqual([]);
    expect(await server.driver.list()).toEqual([]);
  });
});

describe("a guest", () => {
  it("opens and closes terminals, which show in the environment", async () => {
    const server = await (await makeWorld()).start();
    const { id, terminals } = await running(server);
    const opened = await server.service.openTerminal(ANN, id, { cols: 100, rows: 30 });
    expect(opened).toMatchObject({ cols: 100, rows: 30, exit: null });
    const ids = (await server.service.get(ANN, id)).terminals.map((terminal) => terminal.id);
    expect(ids.sort()).toEqual([...terminals.map((terminal) => terminal.id), opened.id].sort());
    const inList = async () => (await server.service.list(ANN))[0]?.terminals.map((terminal) => terminal.id);
    expect((await inList())?.sort()).toEqual(ids);
    await server.service.closeTerminal(ANN, id, opened.id);
    expect(await inList()).toEqual(terminals.map((terminal) => terminal.id));
    expect(await server.service.terminals(ANN, id)).toHaveLength(1);
  });

  it("that hangs does not hold up the list, which shows what it last said, and is shown as silent until it answers", async () => {
    const world = await makeWorld();
    const server = await world.start({ limits: { heartbeatMs: 200 } });
    const { id, terminals, unresponsiveSince } = await running(server);
    const pid = await world.agentPid(await machineOf(server, id));
    process.kill(pid, "SIGSTOP");
    onTestFinished(() => {
      process.kill(pid, "SIGCONT");
    });
    expect([terminals.length, unresponsiveSince]).toEqual([1, null]);
    const [listed] = await server.service.list(ANN);
    expect(listed?.terminals).toEqual(terminals);
    await expect(server.service.terminals(ANN, id)).rejects.toMatchObject({ code: "GUEST_UNREACHABLE" });
    const silent = async () => (await server.service.get(ANN, id)).unresponsiveSince;
    await expect.poll(silent).not.toBeNull();
    expect(await server.service.get(ANN, id)).toMatchObject({ state: "running", reason: null });
    const refused = { code: "GUEST_UNREACHABLE", message: expect.stringMatching(/has not answered for \d+ s/) };
    await expect(server.service.agent(ANN, id)).rejects.toMatchObject(refused);
    // Another server finds the same.
    await server.close();
    const next = await world.start({ limits: { heartbeatMs: 200 } });
    const toNext = async () => (await next.service.get(ANN, id)).unresponsiveSince;
    await expect.poll(toNext).not.toBeNull();
    process.kill(pid, "SIGCONT");
    await expect.poll(toNext).toBeNull();
    expect(await (await next.service.agent(ANN, id)).terminals()).toHaveLength(1);
  });
});

describe("a wait", () => {
  it("ends at its time-out, at its caller's wish, and when the environment goes", async () => {
    const server = await (await makeWorld()).start();
    const { id } = await running(server);
    const wait = (timeoutMs: number, signal?: AbortSignal) =>
      server.service.wait(ANN, id, { states: ["stopped"], timeoutMs, ...(signal === undefined ? {} : { signal }) });
    await expect(wait(10)).rejects.toMatchObject({ code: "WAIT_TIMEOUT" });
    const caller = new AbortController();
    const called = wait(30_000, caller.signal);
    caller.abort(new Error("called off"));
    await expect(called).rejects.toThrow("called off");
    const waiting = wait(30_000).catch((error: unknown) => error);
    const gone = server.service.wait(ANN, id, { states: ["gone"], ...PATIENCE });
    await server.service.destroy(ANN, id);
    expect(["ENVIRONMENT_STATE", "ENVIRONMENT_NOT_FOUND"]).toContain(((await waiting) as { code: string }).code);
    expect(await gone).toBeNull();
    await expect(wait(10)).rejects.toMatchObject({ code: "ENVIRONMENT_NOT_FOUND" });
  });
});
