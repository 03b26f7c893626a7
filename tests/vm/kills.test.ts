import { Receipt } from "@microterm/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findLeftovers } from "../../packages/setup/src/doctor/leftovers.ts";
import { scanMachines } from "../../support/host-scan.ts";
import { type QemuServer, startQemuServer } from "../../support/qemu-server.ts";
import { poll } from "../../support/server.ts";

// Core's own fault points, all of them, are in tests/integration/core-faults.test.ts on the process driver; the daemon's
// are all here, with those of core between which the host changes.

let world: QemuServer;
beforeAll(async () => {
  world = await startQemuServer();
});
afterAll(() => world.close());

const SMALL = { memoryMib: 128, diskMib: 64 };

/** Every machine that was there, by the daemon's list as often as somebody asks. */
const seen = new Set<string>();
async function machines() {
  const { machines: found } = await world.daemon.client.list();
  for (const { machineId } of found) seen.add(machineId);
  return found;
}

async function expectNothingLeft(id: string): Promise<void> {
  expect(await scanMachines(world.daemon, [id, ...seen])).toEqual([]);
  expect((await world.server.ok("GET", "/v1/environments")).environments).toEqual([]);
}

async function destroy(id: string): Promise<void> {
  await machines();
  const receipt = Receipt.parse(await world.server.ok("DELETE", `/v1/environments/${id}`));
  expect(receipt.left).toEqual([]);
  await expectNothingLeft(id);
}

describe("the server, killed with -9", () => {
  it.each([
    ["create.disk", "destroy.row"],
    ["create.machine", "destroy.machine"],
    ["create.terminal", "destroy.disk"],
    ["create.running", "destroy.scan"],
  ])("at %s finishes the create at its next start, and at %s the destroy", async (creating, destroying) => {
    await world.server.kill("SIGKILL");
    const dying = await world.startServer(creating);
    const { id } = await dying.ok("POST", "/v1/environments", SMALL);
    await dying.ended;
    await machines();

    const second = await world.startServer(destroying);
    const environment = await world.until(id, "running", "failed");
    expect(environment).toMatchObject({ state: "running" });
    expect((await world.run(id, "echo $((40+2))")).stdout).toBe("42\n");
    expect((await machines()).length).toBe(1);
    const holders = { daemon: world.daemon.client, server: second.pid };
    expect((await findLeftovers(world.daemon, holders)).found).toEqual([]);
    await second.call("DELETE", `/v1/environments/${id}`).catch(() => undefined);
    await second.ended;

    const third = await world.startServer();
    expect((await third.call("GET", `/v1/environments/${id}/wait?state=gone&timeoutMs=60000`)).status).toBe(204);
    expect(Receipt.parse(await third.ok("DELETE", `/v1/environments/${id}`)).left).toEqual([]);
    await expectNothingLeft(id);
  });
});

describe("the daemon, killed with -9", () => {
  const struck = async (point: string): Promise<void> => {
    await poll(`the fault ${point} to strike`, async () => (await world.daemon.logText()).includes(`fault ${point}`));
  };

  it.each([
    ["launch.intent", "kill.signalled"],
    ["launch.cgroup", "kill.cgroup"],
    ["launch.spawned", "kill.files"],
    ["launch.ready", "disk.removed"],
    ["disk.copied", null],
  ])("at %s lets the create end well, and at %s the destroy", async (creating, destroying) => {
    await world.daemon.restart(creating);
    const { id } = await world.server.ok("POST", "/v1/environments", SMALL);
    await struck(creating);
    expect(await world.until(id, "running", "failed")).toMatchObject({ state: "running" });
    expect((await machines()).length).toBe(1);
    if (destroying !== null) {
      // The guest does not notice that the daemon is another.
      await world.run(id, "echo kept > file");
      await world.daemon.restart(destroying);
      expect((await world.run(id, "cat file")).stdout).toBe("kept\n");
    }
    await destroy(id);
    if (destroying !== null) await struck(destroying);
  });

  it("while its machines run costs them nothing", async () => {
    const id = await world.create(SMALL);
    await world.daemon.killDaemon();
    expect((await world.run(id, "echo alive")).stdout).toBe("alive\n");
    expect(await machines()).toMatchObject([{ alive: true }]);
    await destroy(id);
  });
});

describe("the VMM, killed with -9", () => {
  const kill = async (): Promise<void> => {
    let pid: number | null | undefined;
    await poll("a VMM", async () => {
      pid = (await machines()).find(({ alive }) => alive)?.pid;
      return pid !== null && pid !== undefined;
    });
    process.kill(pid as number, "SIGKILL");
  };

  it("while its guest boots is tried once more, visibly", async () => {
    const { id } = await world.server.ok("POST", "/v1/environments", SMALL);
    await kill();
    let reason = "";
    await poll("the second attempt", async () => {
      const environment = await world.server.ok("GET", `/v1/environments/${id}`);
      reason = environment.reason ?? reason;
      return reason.includes("second attempt") || environment.state !== "creating";
    });
    expect(reason).toContain("second attempt");
    expect(await world.until(id, "running", "failed")).toMatchObject({ state: "running" });
    await destroy(id);
  });

  it("while its guest runs leaves a failed environment that starts again with its disk", async () => {
    const id = await world.create(SMALL);
    await world.run(id, "echo kept > file; sync");
    await kill();
    const failed = await world.until(id, "failed");
    expect(failed.reason).toMatch(/VMM/);
    await world.server.ok("POST", `/v1/environments/${id}/start`);
    await world.until(id, "running");
    expect((await world.run(id, "cat file")).stdout).toBe("kept\n");

    // And once more, while nobody looks.
    await world.server.kill("SIGKILL");
    await kill();
    await world.startServer();
    expect(await world.until(id, "failed")).toMatchObject({ reason: "the VMM died while the server was down" });
    await destroy(id);
  });

  it("while it is being destroyed changes nothing about the receipt", async () => {
    const id = await world.create(SMALL);
    const [pid] = (await machines()).map((machine) => machine.pid);
    const receipt = world.server.ok("DELETE", `/v1/environments/${id}`);
    process.kill(pid as number, "SIGKILL");
    expect(Receipt.parse(await receipt).left).toEqual([]);
    await expectNothingLeft(id);
  });
});
