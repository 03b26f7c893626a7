import { readdir, truncate } from "node:fs/promises";
import { join } from "node:path";
import { Environment, Receipt } from "@microterm/protocol";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { scanMachines } from "../../support/host-scan.ts";
import { type QemuServer, startQemuServer } from "../../support/qemu-server.ts";
import { poll } from "../../support/server.ts";
import { TerminalClient } from "../../support/terminal-client.ts";

let world: QemuServer;
beforeAll(async () => {
  world = await startQemuServer();
});
afterAll(() => world.close());
// One test that fails must not leave the next its saves.
afterEach(async () => {
  const { environments } = await world.server.ok("GET", "/v1/environments");
  for (const { id } of environments) await world.server.ok("DELETE", `/v1/environments/${id}`);
});

const machines = async () => (await world.daemon.client.list()).machines;
const saves = async () => (await world.daemon.client.listSaves()).map(({ saveId }) => saveId);

/** Counts in the background, one number a tick, into `~/count`. */
const COUNTER = "nohup sh -c 'n=0; while :; do n=$((n+1)); echo $n > count; sleep 0.2; done' >/dev/null 2>&1 & echo $!";

async function counting(): Promise<{ id: string; pid: string }> {
  const id = await world.create();
  const pid = (await world.run(id, COUNTER)).stdout.trim();
  await poll("the first number", async () => (await world.run(id, "cat count 2>/dev/null || echo 0")).stdout !== "0\n");
  return { id, pid };
}

async function act(id: string, action: string, ...states: readonly string[]): Promise<Environment> {
  const answer = await world.server.call("POST", `/v1/environments/${id}/${action}`);
  expect(answer.status, answer.text).toBe(202);
  return Environment.parse(await world.until(id, ...states));
}

async function destroy(id: string): Promise<void> {
  const save = await saves();
  const receipt = Receipt.parse(await world.server.ok("DELETE", `/v1/environments/${id}`));
  expect(receipt.left).toEqual([]);
  expect(await scanMachines(world.daemon, [id, ...save])).toEqual([]);
  expect(await saves()).toEqual([]);
}

describe("a pause", () => {
  it("ends the machine, and a resume goes on with processes, terminals and the right time", async () => {
    const { id, pid } = await counting();
    const before = Environment.parse(await world.server.ok("GET", `/v1/environments/${id}`));
    const terminal = before.terminals[0]?.id ?? "";
    const client = new TerminalClient(world.server, id, terminal);
    await client.opened();
    await poll("the prompt", () => client.text.includes("$ "));
    client.type("echo be''fore\r");
    await poll("the echo", () => client.text.includes("before"));
    const bootId = (await world.run(id, "cat /proc/sys/kernel/random/boot_id")).stdout;

    const paused = await act(id, "pause", "paused");
    expect(paused).toMatchObject({ state: "paused", operation: null, reason: null, notice: null, terminals: [] });
    // What is left of its machine goes once the row says that it is paused.
    await poll("the machine to be gone", async () => (await machines()).length === 0);
    expect(await saves()).toHaveLength(1);
    const refused = await world.server.call("GET", `/v1/environments/${id}/terminals`);
    expect([refused.status, refused.json.code]).toEqual([409, "ENVIRONMENT_STATE"]);
    expect(refused.json.hint).toContain("'resume'");
    // Nothing happens twice.
    expect((await act(id, "pause", "paused")).operation).toBeNull();

    const resumed = await act(id, "resume", "running", "failed", "paused");
    expect(resumed).toMatchObject({ state: "running", reason: null });
    expect(resumed.terminals.map((one) => one.id)).toEqual([terminal]);
    const { stdout } = await world.run(id, `kill -0 ${pid} && cat /proc/sys/kernel/random/boot_id; date +%s`);
    const [sameBoot, seconds] = stdout.split("\n");
    expect(`${sameBoot}\n`).toBe(bootId);
    expect(Math.abs(Number(seconds) - Date.now() / 1000)).toBeLessThan(60);
    const count = Number((await world.run(id, "cat count")).stdout);
    await poll("it to count on", async () => Number((await world.run(id, "cat count")).stdout) > count);
    await poll("the save to be gone", async () => (await saves()).length === 0);

    // Its socket has waited, and goes on at the byte after the last.
    client.type("echo af''ter\r");
    await poll("the echo", () => client.text.includes("after"));
    expect([client.frames.filter((frame) => frame.startsWith("GAP")), client.jumps]).toEqual([[], []]);
    client.socket.close();
    await destroy(id);
  });

  it("that many ask for at once saves one memory, and that is resumed", async () => {
    const { id, pid } = await counting();
    const path = `/v1/environments/${id}/pause`;
    const answers = await Promise.all(Array.from({ length: 12 }, () => world.server.call("POST", path)));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 202));
    await world.until(id, "paused", "failed");
    expect(await saves()).toHaveLength(1);
    expect(await act(id, "resume", "running", "failed", "paused")).toMatchObject({ state: "running" });
    expect((await world.run(id, `kill -0 ${pid}`)).code).toBe(0);
    await destroy(id);
  });

  it("is undone by a stop, which keeps the disk, and by a destroy, which keeps nothing", async () => {
    const { id } = await counting();
    await world.run(id, "echo kept > file; sync");
    await act(id, "pause", "paused");
    expect(await act(id, "stop", "stopped")).toMatchObject({ state: "stopped" });
    await poll("the save to be gone", async () => (await saves()).length === 0);
    await act(id, "start", "running");
    expect((await world.run(id, "cat file")).stdout).toBe("kept\n");
    // Also while it is under way.
    await world.server.call("POST", `/v1/environments/${id}/pause`);
    expect(await act(id, "stop", "stopped", "failed")).toMatchObject({ state: "stopped" });
    await poll("the save to be gone", async () => (await saves()).length === 0);
    await act(id, "start", "running");
    expect((await world.run(id, "cat file")).stdout).toBe("kept\n");
    await act(id, "pause", "paused");
    await destroy(id);
  });

  it("survives a restart of server and daemon, and start resumes it", async () => {
    const { id, pid } = await counting();
    await act(id, "pause", "paused");
    await world.daemon.killDaemon();
    await world.restartServer();
    expect(await world.until(id, "paused")).toMatchObject({ operation: null, reason: null });
    await act(id, "start", "running");
    expect((await world.run(id, `kill -0 ${pid}`)).code).toBe(0);
    await destroy(id);
  });

  it("whose memory was spoiled ends in failed, with the reason, and starts again with its disk", async () => {
    const { id } = await counting();
    await world.run(id, "echo kept > file; sync");
    await act(id, "pause", "paused");
    const folder = join(world.daemon.data, "host/saves");
    for (const save of await readdir(folder)) await truncate(join(folder, save, "memory"), 4096);
    const failed = await act(id, "resume", "failed");
    expect(failed.reason).not.toBeNull();
    await poll("the save to be gone", async () => (await saves()).length === 0);
    await act(id, "start", "running");
    expect((await world.run(id, "cat file")).stdout).toBe("kept\n");
    await destroy(id);
  });

  it("whose resume may have run when the daemon died is not resumed again, and starts with its disk", async () => {
    const { id } = await counting();
    await world.run(id, "echo kept > file; sync");
    await act(id, "pause", "paused");
    await world.daemon.restart("restore.loaded");
    const { reason } = await act(id, "resume", "running", "failed", "paused");
    expect(reason).toMatch(/could not be resumed.*'start' boots it with its disk/);
    await world.daemon.restart();
    await poll("the save to be gone", async () => (await saves()).length === 0);
    await act(id, "start", "running");
    expect((await world.run(id, "cat file")).stdout).toBe("kept\n");
    await destroy(id);
  });

  it("comes by itself when nobody uses it, and not while it computes", async () => {
    const { id } = await world.server.ok("POST", "/v1/environments", {
      memoryMib: 128,
      diskMib: 256,
      idleTimeoutSeconds: 10,
    });
    await world.until(id, "running");
    // It computes for twice its time-out, by itself.
    await world.run(id, "nohup timeout 20 sh -c 'while :; do :; done' >/dev/null 2>&1 &");
    const started = Date.now();
    const paused = Environment.parse(await world.until(id, "paused"));
    expect(paused.reason).toBe("idle for 10 s");
    expect(Date.now() - started).toBeGreaterThan(20_000);
    await destroy(id);
  });
});

describe("the server, killed with -9", () => {
  async function resumesAll(id: string, pid: string): Promise<void> {
    await world.until(id, "paused", "failed");
    await poll("the machine to be gone", async () => (await machines()).length === 0);
    await act(id, "resume", "running", "failed");
    expect((await world.run(id, `kill -0 ${pid}`)).code).toBe(0);
    await poll("the save to be gone", async () => (await saves()).length === 0);
    await destroy(id);
  }

  it.each(["pause.row", "pause.saved"])("at %s leaves it paused, with all that ran", async (point) => {
    await world.server.kill("SIGKILL");
    await world.startServer(point);
    const { id, pid } = await counting();
    await world.server.call("POST", `/v1/environments/${id}/pause`).catch(() => undefined);
    await world.server.ended;
    await world.startServer();
    await resumesAll(id, pid);
  });

  it("while the daemon saves leaves it paused, with all that ran", async () => {
    const { id, pid } = await counting();
    const folder = join(world.daemon.data, "host/saves");
    await world.server.call("POST", `/v1/environments/${id}/pause`);
    await poll("the save to begin", async () => (await readdir(folder)).length > 0);
    await world.server.kill("SIGKILL");
    await world.startServer();
    await resumesAll(id, pid);
  });

  it("after a stop was asked for amid a pause stops it at its next start, and keeps its disk", async () => {
    await world.server.kill("SIGKILL");
    const dying = await world.startServer("stop.row");
    const { id } = await counting();
    await world.run(id, "echo kept > file; sync");
    const { pid } = await world.daemon.client.hello();
    // So that the save does not end before the server does.
    process.kill(pid, "SIGSTOP");
    try {
      await dying.ok("POST", `/v1/environments/${id}/pause`);
      await dying.call("POST", `/v1/environments/${id}/stop`).catch(() => undefined);
      await dying.ended;
    } finally {
      process.kill(pid, "SIGCONT");
    }
    await world.startServer();
    expect(await world.until(id, "stopped", "paused", "failed")).toMatchObject({ state: "stopped" });
    await poll("machine and save to be gone", async () => (await machines()).length + (await saves()).length === 0);
    await act(id, "start", "running");
    expect((await world.run(id, "cat file")).stdout).toBe("kept\n");
    await destroy(id);
  });

  it("at resume.machine goes on with it at the next start, once its machine answers", async () => {
    const { id, pid } = await counting();
    await act(id, "pause", "paused");
    await world.server.kill("SIGKILL");
    const dying = await world.startServer("resume.machine");
    await dying.call("POST", `/v1/environments/${id}/resume`).catch(() => undefined);
    await dying.ended;
    const [machine] = await machines();
    const vmm = machine?.pid as number;
    process.kill(vmm, "SIGSTOP");
    await world.startServer();
    // Longer than the first attempt; how many there are by then is of no matter.
    const wait = `/v1/environments/${id}/wait?state=failed&state=running&timeoutMs=15000`;
    await world.server.call("GET", wait);
    expect(await world.server.ok("GET", `/v1/environments/${id}`)).toMatchObject({ state: "creating" });
    process.kill(vmm, "SIGCONT");
    expect(await world.until(id, "running", "failed")).toMatchObject({ state: "running" });
    expect((await world.run(id, `kill -0 ${pid}`)).code).toBe(0);
    await poll("the save to be gone", async () => (await saves()).length === 0);
    await destroy(id);
  });
});
