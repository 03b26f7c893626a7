import { readdir, readFile, truncate } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Environment, HostStatus, Receipt } from "@microterm/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { endMachines } from "../../packages/setup/src/daemon/daemon.ts";
import { dataPaths } from "../../packages/setup/src/data/paths.ts";
import { scanMachines } from "../../support/host-scan.ts";
import { type QemuServer, startQemuServer } from "../../support/qemu-server.ts";
import { poll } from "../../support/server.ts";
import { TerminalClient } from "../../support/terminal-client.ts";

const WANTED = 2;
/** Three templates, each with a boot under emulation, before anything else can be seen. */
const BUILD_MS = 600_000;

let world: QemuServer;
beforeAll(async () => {
  world = await startQemuServer({ serverArgs: ["--pool", String(WANTED)] });
  await filled();
}, BUILD_MS);
afterAll(() => world.close());

const host = async (): Promise<HostStatus> => HostStatus.parse(await world.server.ok("GET", "/v1/host"));
const machines = async () => (await world.daemon.client.list()).machines;

async function filled(): Promise<void> {
  await poll("a full pool", async () => (await host()).pool.ready === WANTED, BUILD_MS);
}

/** Every template built and the pool full, and no machine besides: nothing is left of what was interrupted. */
async function settled(): Promise<void> {
  await filled();
  await poll("all templates", async () => (await host()).templates.every(({ state }) => state === "ready"), BUILD_MS);
  await poll("no machine but the pool's", async () => (await machines()).length === WANTED);
}

async function unclaimed(): Promise<readonly string[]> {
  return (await machines()).filter((one) => one.environment === null && one.alive).map((one) => one.machineId);
}

async function create(body: object = {}): Promise<Environment> {
  const { id } = await world.server.ok("POST", "/v1/environments", body);
  return Environment.parse(await world.until(id, "running", "failed"));
}

/** What the first terminal has printed, to its prompt. */
async function promptOf({ id, terminals: [terminal] }: Environment): Promise<string> {
  const client = new TerminalClient(world.server, id, terminal?.id ?? "", { from: 0n });
  await client.until("$ ");
  await client.close();
  return client.bytes.toString();
}

async function destroy(id: string): Promise<void> {
  expect(Receipt.parse(await world.server.ok("DELETE", `/v1/environments/${id}`)).left).toEqual([]);
}

describe("a create in the default size", () => {
  it("claims a waiting machine, which is its own from then on, and leaves nothing when it is destroyed", async () => {
    const waiting = await unclaimed();
    const { id } = await world.server.ok("POST", "/v1/environments", { name: "claimed" });
    const shown = Environment.parse(await world.until(id, "running"));
    expect(shown).toMatchObject({ size: "medium", state: "running" });
    const claimed = waiting.filter((machine) => machine !== undefined);
    expect(claimed.length).toBeGreaterThan(0);
    expect(await promptOf(shown)).toContain("dev@claimed");
    const { stdout } = await world.run(id, 'echo "$MICROTERM_NAME"; cat /etc/machine-id /proc/sys/kernel/hostname');
    const [name, machineId, hostname] = stdout.split("\n");
    expect([name, hostname]).toEqual(["claimed", "claimed"]);
    expect(waiting.map((one) => Buffer.from(one).toString("hex"))).toContain(machineId);
    await destroy(id);
    // The pool's own machines are there, and none of this one's ids.
    const gone = [id, Buffer.from(machineId ?? "", "hex").toString()];
    const found = await scanMachines(world.daemon, gone);
    expect(found.filter((line) => gone.some((one) => line.includes(one)))).toEqual([]);
    await filled();
  });

  it("has the name that its machine's prompt shows already, when its owner chooses none", async () => {
    const shown = await create();
    // It was printed before the create.
    expect(Number(shown.terminals[0]?.endOffset)).toBeGreaterThan(0);
    expect(await promptOf(shown)).toContain(`dev@${shown.name}`);
    const { stdout } = await world.run(shown.id, "hostname; sleep 1; cat /etc/hostname; sudo -n true 2>&1");
    expect(stdout).toBe(`${shown.name}\n${shown.name}\n`);
    await destroy(shown.id);
    await filled();
  });

  it("keeps its disk through a stop and a start", async () => {
    const { id } = await create();
    await world.run(id, "echo kept > file; sync");
    await world.server.ok("POST", `/v1/environments/${id}/stop`);
    await world.until(id, "stopped");
    await world.server.ok("POST", `/v1/environments/${id}/start`);
    await world.until(id, "running");
    expect((await world.run(id, "cat file")).stdout).toBe("kept\n");
    await destroy(id);
    await filled();
  });

  it("has failed with the reason when its kernel panics, claimed from the pool as any other", async () => {
    const { id } = await create();
    await world.server.call("POST", `/v1/environments/${id}/exec`, {
      body: { command: ["sudo", "sh", "-c", "echo 1 > /proc/sys/kernel/sysrq; echo c > /proc/sysrq-trigger"] },
    });
    expect((await world.until(id, "failed", "stopped")).reason).toMatch(/Kernel panic/);
    await destroy(id);
    await filled();
  });

  it("is restored when the pool is empty, and each guest is another", async () => {
    const made = await Promise.all(Array.from({ length: WANTED + 2 }, () => create()));
    expect(made.map((one) => one.state)).toEqual(made.map(() => "running"));
    const said = await Promise.all(
      made.map(({ id }) => world.run(id, "cat /proc/sys/kernel/random/boot_id; head -c 32 /dev/urandom | od -An -tx1")),
    );
    expect(new Set(said.map(({ stdout }) => stdout)).size).toBe(made.length);
    for (const { id } of made) await destroy(id);
    await filled();
  });

  it("takes another machine when the one it claimed does not answer", async () => {
    const waiting = await machines();
    const frozen = waiting.filter((one) => one.environment === null && one.pid !== null);
    for (const { pid } of frozen) process.kill(pid as number, "SIGSTOP");
    const { id, state } = await create();
    expect(state).toBe("running");
    expect((await world.run(id, "echo $((40+2))")).stdout).toBe("42\n");
    await destroy(id);
    await filled();
    const now = await unclaimed();
    expect(frozen.filter(({ machineId }) => now.includes(machineId))).toEqual([]);
  });
});

describe("a server that warms its guests in another way than the one before", () => {
  it("builds the templates again that were made in that way, and no others", async () => {
    await settled();
    await world.server.kill("SIGTERM");
    const savedAt = async (key: string): Promise<number> =>
      JSON.parse(await readFile(join(world.daemon.data, "host/templates", key, "manifest.json"), "utf8")).savedUnixMs;
    const keys = (await world.daemon.client.listTemplates()).map(({ template }) => template);
    const before = await Promise.all(keys.map(savedAt));
    const database = new DatabaseSync(join(world.daemon.data, "server/microterm.db"));
    const [older, ...same] = keys;
    database.prepare("update templates set recipe = 'older' where key = ?").run(older ?? "");
    database.close();
    await world.startServer();
    await settled();
    const after = await Promise.all(keys.map(savedAt));
    expect(after[0]).toBeGreaterThan(before[0] ?? 0);
    expect([after.slice(1), same]).toEqual([before.slice(1), expect.objectContaining({ length: 2 })]);
  });
});

describe("the pool", () => {
  it("replaces a machine that dies", async () => {
    const [first] = await machines();
    process.kill(first?.pid as number, "SIGKILL");
    await poll("another in its place", async () => {
      const now = await unclaimed();
      return now.length === WANTED && !now.includes(first?.machineId ?? "");
    });
    await filled();
  });

  it("is made again by the next server, and its machines before are removed", async () => {
    const before = await unclaimed();
    await world.restartServer();
    await filled();
    const after = await unclaimed();
    expect(after.filter((one) => before.includes(one))).toEqual([]);
    expect(after).toHaveLength(WANTED);
  });

  it("outlives a clean shutdown, and ends with its disks when everything is taken down", async () => {
    await world.server.kill("SIGTERM");
    // And whatever a template was being made of.
    expect((await unclaimed()).length).toBeGreaterThanOrEqual(WANTED);
    await endMachines(dataPaths(world.daemon.data), "unclaimed");
    expect(await world.daemon.client.list()).toMatchObject({ machines: [], disks: [] });
    await world.startServer();
    await filled();
  });

  it("goes on with machines of a template that was spoiled, and a create boots until it is built again", async () => {
    const templates = join(world.daemon.data, "host/templates");
    for (const key of await readdir(templates)) await truncate(join(templates, key, "state"), 1000);
    // A daemon that has a template open has checked it; the next one looks again.
    await world.daemon.killDaemon();
    const made = await Promise.all(Array.from({ length: WANTED + 1 }, () => create()));
    expect(made.map((one) => one.state)).toEqual(made.map(() => "running"));
    for (const { id } of made) await destroy(id);
    await filled();
    for (const { state, size } of (await host()).templates.slice(1, 2))
      expect([size, state]).toEqual(["medium", "ready"]);
  });
});

describe("the server, killed with -9", () => {
  it.each(["claim.row", "claim.agent"])("at %s brings the environment up at its next start", async (point) => {
    await world.server.kill("SIGKILL");
    const dying = await world.startServer(point);
    await filled();
    const { id } = await dying.ok("POST", "/v1/environments", {});
    await dying.ended;
    await world.startServer();
    expect(await world.until(id, "running", "failed")).toMatchObject({ state: "running" });
    expect((await world.run(id, "echo $((40+2))")).stdout).toBe("42\n");
    await destroy(id);
    await filled();
  });

  it("at pool.machine leaves a machine that the next one removes", async () => {
    await world.server.kill("SIGKILL");
    const dying = await world.startServer("pool.machine");
    await dying.ended;
    await world.startServer();
    await settled();
  });

  it.each(["template.booted", "template.saved"])(
    "at %s builds or finds the template at its next start",
    async (point) => {
      const templates = await world.daemon.client.listTemplates();
      await world.server.kill("SIGKILL");
      for (const { template } of templates) await world.daemon.client.removeTemplate(template);
      const dying = await world.startServer(point);
      await dying.ended;
      await world.startServer();
      await settled();
    },
  );
});
