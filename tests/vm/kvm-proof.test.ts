import { join } from "node:path";
import { proveKvm } from "@microterm/drivers";
import { DEADLINE_FACTOR, runCommand } from "@microterm/host";
import { afterEach, describe, expect, it } from "vitest";
import type { Check } from "../../packages/setup/src/doctor/check.ts";
import { startTestDaemon, type TestDaemon } from "../../support/test-daemon.ts";

/** Not reached where there is no device. */
const DEADLINE_MS = 4000;
const SETUP = join(import.meta.dirname, "../../packages/setup/src");
/** A /dev of its own with all that programs need but KVM's device. */
const WITHOUT_KVM = `
set -e
new=$(mktemp -d)
mount -t tmpfs -o mode=0755 none "$new"
for device in null zero full random urandom tty; do
  touch "$new/$device"
  mount --bind "/dev/$device" "$new/$device"
done
mount --move "$new" /dev
rmdir "$new"
exec "$@"`;

const withoutKvm = (command: readonly string[]): readonly string[] => [
  ...["unshare", "--mount", "--propagation", "private", "--", "sh", "-c", WITHOUT_KVM, "sh"],
  ...command,
];

let daemon: TestDaemon;
afterEach(() => daemon?.close());

/** With what a test puts in the place of the daemon's launch. Nothing may be left of the guest. */
async function prove(deadlineMs: number, change: Partial<TestDaemon["client"]> = {}) {
  const { client, machinesDir, image } = daemon;
  const verdict = await proveKvm({ daemon: { ...client, ...change }, machinesDir, image: image.key, deadlineMs });
  expect((await client.list()).machines).toEqual([]);
  return verdict;
}

/** Node runs it as a module, in the checkout. */
async function ran(command: readonly string[]): Promise<string> {
  const { stdout, stderr } = await runCommand(command);
  return stdout || stderr;
}

describe("on a host without KVM", () => {
  it("the daemon says so, and a guest is not waited for", async () => {
    daemon = await startTestDaemon({ wrap: withoutKvm });
    expect(await prove(DEADLINE_MS)).toEqual({
      accelerator: "tcg",
      reason: "/dev/kvm does not work here: microterm-host: this host has no /dev/kvm",
    });
  });

  it("no guest is even booted to find out, and doctor says what it found", async () => {
    daemon = await startTestDaemon();
    const script = `
      import { createHostDaemonClient } from "@microterm/host";
      import { detectAccelerator } from ${JSON.stringify(join(SETUP, "daemon/accelerator.ts"))};
      import { dataPaths } from ${JSON.stringify(join(SETUP, "data/paths.ts"))};
      const client = createHostDaemonClient({ socketPath: ${JSON.stringify(daemon.socketPath)} });
      const never = () => { throw new Error("nothing is to be shown"); };
      const paths = dataPaths(${JSON.stringify(daemon.data)});
      console.log(JSON.stringify(await detectAccelerator(paths, client, "0000000000000000", { step: never })));
      client.close();`;
    const node = [process.execPath, "--input-type=module", "--eval", script];
    expect(JSON.parse(await ran(withoutKvm(node)))).toEqual({
      accelerator: "tcg",
      reason: "there is no /dev/kvm on this host",
    });
    const doctor = [process.execPath, join(SETUP, "main.ts"), "doctor", "-o", "json", "--data", daemon.data];
    const { checks } = JSON.parse(await ran(withoutKvm(doctor))) as { checks: readonly Check[] };
    expect(checks.find(({ name }) => name === "accelerator")).toMatchObject({
      status: "warn",
      text: expect.stringMatching(/^tcg .*: there is no \/dev\/kvm on this host/),
    });
    expect(checks.map(({ name }) => name)).not.toContain("vm creation");
  });
});

/** Until a guest is given up that says nothing: fewer than an emulated one takes. */
const SHORT_MS = 300;

it("a guest that says nothing is given up at the deadline, and nothing of it is left", async () => {
  daemon = await startTestDaemon();
  // In the place of a KVM that hangs, which depends on the host's processor and QEMU: an emulated guest is late everywhere.
  const launch: TestDaemon["client"]["launch"] = (args) => daemon.client.launch({ ...args, accelerator: "tcg" });
  expect(await prove(SHORT_MS, { launch })).toEqual({
    accelerator: "tcg",
    reason: `/dev/kvm does not work here: no guest booted with it within ${(SHORT_MS * DEADLINE_FACTOR) / 1000} s`,
  });
});
