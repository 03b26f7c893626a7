import { HostStatus } from "@microterm/protocol";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type QemuServer, startQemuServer } from "../../support/qemu-server.ts";
import { poll } from "../../support/server.ts";

let world: QemuServer;
beforeAll(async () => {
  world = await startQemuServer({ serverArgs: ["--templates"] });
});
afterAll(() => world.close());

const machines = async () => (await world.daemon.client.list()).machines;

it.each(["machine", "kernel", "warm", "save"])(
  "leaves nothing of a template that is being made when the server is told to stop, at its step '%s'",
  async (step) => {
    await poll(`the step ${step}`, async () => {
      const { templates } = HostStatus.parse(await world.server.ok("GET", "/v1/host"));
      return templates.some((one) => one.state === "building" && one.step === step);
    });
    expect(await world.server.kill("SIGTERM")).toBe(0);
    expect(await world.daemon.client.list()).toMatchObject({ machines: [], disks: [] });
    await world.startServer();
    await poll("it to be begun again", async () => (await machines()).length > 0);
  },
);
