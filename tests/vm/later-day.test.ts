import { Environment, Receipt } from "@microterm/protocol";
import { afterAll, beforeAll, expect, it } from "vitest";
import { scanMachines } from "../../support/host-scan.ts";
import { type QemuServer, startQemuServer } from "../../support/qemu-server.ts";
import { poll } from "../../support/server.ts";
import { TerminalClient } from "../../support/terminal-client.ts";

const HOUR_S = 3_600;
/** Later than any of the times to live of half a day, and earlier than those of three days. */
const AHEAD_MS = 25 * HOUR_S * 1000;
const CLOCK_S = 60;
/** A shell of its own: an interactive one misses a Ctrl-C that comes between its fork and the child's exec, once in some 50 times. */
const COUNTER = `sh -c 'trap exit INT; n=0; while :; do n=$((n+1)); echo "<$n>"; sleep 0.2; done'`;

let world: QemuServer;
beforeAll(async () => {
  world = await startQemuServer();
});
afterAll(() => world.close());

const shown = async (id: string) => Environment.parse(await world.server.ok("GET", `/v1/environments/${id}`));
const saves = async () => (await world.daemon.client.listSaves()).map(({ saveId }) => saveId);

async function create(times: { readonly idleTimeoutSeconds?: number; readonly ttlSeconds?: number }): Promise<string> {
  const { id } = await world.server.ok("POST", "/v1/environments", { memoryMib: 128, diskMib: 64, ...times });
  expect(await world.until(id, "running", "failed")).toMatchObject({ state: "running" });
  return id;
}

async function pause(id: string): Promise<void> {
  await world.server.ok("POST", `/v1/environments/${id}/pause`);
  expect(await world.until(id, "paused", "failed")).toMatchObject({ state: "paused" });
}

function expectLater(seconds: number, earliestMs: number): void {
  expect(seconds).toBeGreaterThan((earliestMs + AHEAD_MS) / 1000 - CLOCK_S);
  expect(seconds).toBeLessThan((Date.now() + AHEAD_MS) / 1000 + CLOCK_S);
}

it("goes on a day later, at the byte where it was, with that day's date", async () => {
  const id = await create({ idleTimeoutSeconds: HOUR_S, ttlSeconds: 72 * HOUR_S });
  const mortal = await create({ ttlSeconds: 12 * HOUR_S });
  const idle = await create({ idleTimeoutSeconds: HOUR_S });
  const terminal = (await shown(id)).terminals[0]?.id ?? "";
  const before = await new TerminalClient(world.server, id, terminal).opened();
  await before.until("$ ");
  before.type(`${COUNTER}\r`);
  await before.until("<5>");
  await pause(id);
  await pause(mortal);
  const saved = await saves();
  expect(saved).toHaveLength(2);
  await before.close();
  await world.server.kill("SIGTERM");

  await world.startServer(undefined, 0, AHEAD_MS);
  const wait = `/v1/environments/${mortal}/wait?state=gone&timeoutMs=60000`;
  expect((await world.server.call("GET", wait)).status).toBe(204);
  const receipt = Receipt.parse(await world.server.ok("DELETE", `/v1/environments/${mortal}`));
  expect(receipt.left).toEqual([]);
  expect(Date.parse(receipt.destroyedAt)).toBeGreaterThan(Date.now() + AHEAD_MS / 2);
  expect(await saves()).toHaveLength(1);
  expect(await shown(id)).toMatchObject({ state: "paused", operation: null, reason: null, notice: null });
  // Nobody saw it idle while no server was there.
  expect(await shown(idle)).toMatchObject({ state: "running", reason: null, notice: null });

  const resumedAt = Date.now();
  await world.server.ok("POST", `/v1/environments/${id}/resume`);
  expect(await world.until(id, "running", "failed", "paused")).toMatchObject({ state: "running", notice: null });
  const after = await new TerminalClient(world.server, id, terminal, { from: before.offset }).opened();
  await poll("it to count on", () => after.text.split("<").length > 10);
  after.type("\x03");
  after.type("date +at=%s=\r");
  await after.until(/at=\d+=/);
  expect([after.jumps, after.frames.filter((frame) => /^(GAP|KEYFRAME)/.test(frame))]).toEqual([[], []]);
  const all = Buffer.concat([before.bytes, after.bytes]).toString();
  const counted = [...all.matchAll(/<(\d+)>/g)].map(([, digits]) => Number(digits));
  expect(counted).toEqual(counted.map((_, index) => index + 1));
  expectLater(Number(/at=(\d+)=/.exec(after.text)?.[1]), resumedAt);
  expectLater(Number((await world.run(id, "date +%s")).stdout), resumedAt);
  await after.close();
  await poll("the save to be gone", async () => (await saves()).length === 0);
  expect(await shown(id)).toMatchObject({ state: "running", reason: null, notice: null });
  for (const one of [id, idle]) await world.server.ok("DELETE", `/v1/environments/${one}`);
  expect(await scanMachines(world.daemon, [id, idle, mortal, ...saved])).toEqual([]);
});
