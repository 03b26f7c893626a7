import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ExecEvents } from "@microterm/core";
import { connectUnix, runCommand } from "@microterm/host";
import { makeTempFolder } from "../support/temp-folder.ts";
import { rawSocketOf } from "./bare-guest.ts";
import type { BareGuest } from "./bare-qemu.ts";
import { type OpenTerminal, OutputTail } from "./terminal-end.ts";

/** The second port of the guest. */
export const RAW_PORT = "benchmark.raw";
const BRIDGE = "pty-bridge";

/** Puts the program that joins port and PTY into a guest. */
async function install(guest: BareGuest): Promise<void> {
  const folder = await makeTempFolder();
  try {
    const built = join(folder.path, BRIDGE);
    const source = join(import.meta.dirname, "pty-bridge.c");
    const { code, stderr } = await runCommand(["cc", "-O2", "-Wall", "-static", "-o", built, source]);
    if (code !== 0) throw new Error(`${source} does not compile: ${stderr}`);
    const bytes = await readFile(built);
    const body = async function* () {
      yield bytes;
    };
    await guest.agent.write(BRIDGE, body(), { mode: 0o755 });
  } finally {
    await folder.remove();
  }
}

/** Terminals of a guest over its second port: bytes, and nothing else. One at a time. */
export async function rawTerminals(guest: BareGuest): Promise<OpenTerminal> {
  await install(guest);
  return async (script) => {
    const tail = new OutputTail();
    const socket = await connectUnix(rawSocketOf(guest), { timeoutMs: 10_000 });
    socket.on("error", () => undefined);
    socket.on("data", (bytes) => tail.push(bytes));
    const started = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<void>();
    const nothing = (): void => undefined;
    const events: ExecEvents = {
      started: () => started.resolve(),
      stdout: nothing,
      stderr: (bytes) => started.reject(new Error(Buffer.from(bytes).toString())),
      exited: nothing,
      failed: ({ message }) => started.reject(new Error(message)),
      closed: () => closed.resolve(),
    };
    // The port's device is root's.
    const command = ["sudo", `/home/dev/${BRIDGE}`, RAW_PORT, "sh", "-c", script];
    const bridge = await guest.agent.exec({ command, tty: null }, events);
    await started.promise;
    return {
      type: (text) => void socket.write(text),
      received: () => tail.received,
      until: (text, withinMs) => tail.until(text, withinMs),
      close: async () => {
        // The bridge sees the port's other end go, and hangs up on its program.
        socket.destroy();
        bridge.endInput();
        await closed.promise;
      },
    };
  };
}
