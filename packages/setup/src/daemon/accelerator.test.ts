import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createHostDaemonClient } from "@microterm/host";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type DataPaths, dataPaths } from "../data/paths.ts";
import { createProgress } from "../progress.ts";
import { detectAccelerator } from "./accelerator.ts";

let data: string;
let paths: DataPaths;
let daemon: Server;
/** What the daemon says to a launch: `error` of docs/reference/host-protocol.md. */
let refusal: { code: string; message: string };
beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), "mt-accelerator-"));
  paths = { ...dataPaths(data), daemonSocket: join(data, "host.sock") };
  daemon = createServer((socket) => {
    socket.on("data", (bytes) => {
      for (const line of bytes.toString().trim().split("\n")) {
        const { id, verb } = JSON.parse(line) as { id: number; verb: string };
        const answer = verb === "machine.launch" ? { id, error: refusal } : { id, ok: OK[verb] };
        socket.write(`${JSON.stringify(answer)}\n`);
      }
    });
  });
  await new Promise<void>((resolve) => daemon.listen(paths.daemonSocket, resolve));
});
afterEach(async () => {
  daemon.close();
  await rm(data, { recursive: true });
});

const OK: Readonly<Record<string, object>> = {
  hello: {
    ...{ protocol: 1, version: "1", pid: 1, supervisorPid: 1, instance: "a", bootId: "b", cgroup: "v1" },
    ...{ qemu: "7.2", images: [], limitsCpu: true },
  },
  "machine.kill": { removed: { processes: 0, cgroups: 0, sockets: 0, files: 0, uids: 0 } },
};

async function detect() {
  const client = createHostDaemonClient({ socketPath: paths.daemonSocket });
  try {
    return await detectAccelerator(paths, client, "0123456789abcdef", createProgress());
  } finally {
    client.close();
  }
}

describe.runIf(existsSync("/dev/kvm"))("the proof of KVM", () => {
  it("is put off where the host lacks what any machine needs", async () => {
    refusal = { code: "no-memory", message: "12 MiB are free" };
    await expect(detect()).rejects.toMatchObject({ code: "HOST_OUT_OF_MEMORY" });
    expect(existsSync(paths.accelerator)).toBe(false);
  });

  it("tells in one line why guests are emulated, and remembers it", async () => {
    refusal = { code: "internal", message: "KVM does not work:\n  ioctl(KVM_CREATE_VM) failed.\n" };
    const verdict = await detect();
    expect(verdict).toEqual({ accelerator: "tcg", reason: expect.stringMatching(/^[^\n]+ failed$/) });
    refusal = { code: "no-memory", message: "is not asked again" };
    expect(await detect()).toMatchObject(verdict);
  });
});
