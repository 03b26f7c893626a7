import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MachineEnd } from "@microterm/core";
import { expect, it, onTestFinished, vi } from "vitest";
import { QemuMonitor } from "./qemu-monitor.ts";

const FLOOD = 3_000;
const WAIT = { timeout: 60_000, interval: 5 };

/** Another end of the monitor, which answers when the test says so. */
async function startVmm() {
  const folder = mkdtempSync(join(tmpdir(), "mt-"));
  const path = join(folder, "qmp.sock");
  const reads: ((text: string) => void)[] = [];
  const vmm = { reads, asked: 0, peer: undefined as Socket | undefined };
  const server = createServer((socket) => {
    vmm.peer = socket;
    socket.on("error", () => {});
    socket.write('{"QMP":{}}\n');
    socket.on("data", (chunk: Buffer) => {
      for (const line of chunk.toString().trim().split("\n")) {
        const { execute, id } = JSON.parse(line);
        const answer = (value: unknown) => socket.write(`${JSON.stringify({ return: value, id })}\n`);
        if (execute === "query-status") answer({ status: "running" });
        else if (execute === "ringbuf-read") {
          vmm.asked += 1;
          reads.push((text) => answer(Buffer.from(text).toString("base64")));
        } else answer({});
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const ends: MachineEnd[] = [];
  const monitor = new QemuMonitor({
    path,
    isAlive: async () => true,
    complaint: async () => "",
    ended: (end) => ends.push(end),
  });
  onTestFinished(() => {
    monitor.release();
    vmm.peer?.destroy();
    server.close();
    rmSync(folder, { recursive: true });
  });
  await monitor.start();
  const shout = (name: string, times: number) =>
    vmm.peer?.write(`${JSON.stringify({ event: name, data: { action: "stop" } })}\n`.repeat(times));
  return { vmm, monitor, ends, shout };
}

it("reads the console once for any number of shutdowns, and not at all once the machine is over", async () => {
  const { vmm, ends, shout } = await startVmm();
  shout("SHUTDOWN", FLOOD);
  await vi.waitFor(() => expect(vmm.reads).toHaveLength(1), WAIT);
  shout("SHUTDOWN", FLOOD);
  vmm.reads.shift()?.("bye\n");
  await vi.waitFor(() => expect(ends).toEqual([expect.objectContaining({ kind: "powered-off" })]), WAIT);
  const { asked } = vmm;
  // One for them all, and on a slow machine the one that is made now and then while a guest boots.
  expect(asked).toBeLessThanOrEqual(2);
  shout("SHUTDOWN", 10);
  vmm.peer?.end();
  await vi.waitFor(() => expect(vmm.peer?.closed).toBe(true), WAIT);
  expect(vmm.asked).toBe(asked);
  expect(ends).toHaveLength(1);
});

it("has one read under way for all callers, and the next sees what was printed before it was asked for", async () => {
  const { vmm, monitor, ends, shout } = await startVmm();
  const asking = [monitor.console(), monitor.console(), monitor.console()];
  await vi.waitFor(() => expect(vmm.reads).toHaveLength(1), WAIT);
  shout("SHUTDOWN", 1);
  vmm.reads.shift()?.("");
  await vi.waitFor(() => expect(vmm.reads).toHaveLength(1), WAIT);
  vmm.reads.shift()?.("[    1.000001] Kernel panic - not syncing: sysrq\n");
  await Promise.all(asking);
  await vi.waitFor(() => expect(ends).toEqual([expect.objectContaining({ kind: "panicked" })]), WAIT);
  expect(vmm.asked).toBe(2);
});
