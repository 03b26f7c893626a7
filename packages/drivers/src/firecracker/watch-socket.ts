import type { Socket } from "node:net";
import { connectUnix, type Limits, withDeadline } from "@microterm/host";

/**
 * `watch.sock` of a Firecracker machine (docs/reference/host-protocol.md): the first byte that a client sends says what it
 * wants. It is served by a process of the machine's own uid, whose every byte may be its guest's.
 */

/** How Firecracker ended: its exit code, 0 to 255, or the number of the signal that killed it; and its guest's console. */
export type VmmEnd = { readonly kind: "exit" | "signal"; readonly number: number; readonly console: Buffer };

/** `exit 255\n` and room around it. */
const MAX_LINE = 64;
const END_LINE = /^(exit|signal) (\d{1,3})$/;
/** As much as is kept of the guest's serial console there. */
const MAX_CONSOLE = 65_536;

async function ask(path: string, wish: "c" | "w", limits: Limits): Promise<Socket> {
  const socket = await connectUnix(path, limits);
  socket.on("error", () => {});
  socket.write(wish);
  return socket;
}

export interface Watch {
  /** Resolves with how Firecracker ended, or with null when the connection broke or brought anything else. Never rejects. */
  readonly end: Promise<VmmEnd | null>;
  close(): void;
}

/** Waits for the end of Firecracker, for as long as that takes. Rejects with a system error when nobody listens. */
export async function openWatch(path: string, limits: Limits): Promise<Watch> {
  const socket = await ask(path, "w", limits);
  const end = new Promise<VmmEnd | null>((resolve) => {
    const pieces: Buffer[] = [];
    let length = 0;
    let isWhole = false;
    socket.on("data", (piece: Buffer) => {
      pieces.push(piece);
      length += piece.length;
      // Whatever else this is, it is not to be waited for.
      if (length > MAX_LINE + MAX_CONSOLE) socket.destroy();
    });
    socket.once("end", () => {
      isWhole = true;
    });
    socket.once("close", () => resolve(isWhole ? readEnd(Buffer.concat(pieces)) : null));
  });
  return { end, close: () => void socket.destroy() };
}

function readEnd(said: Buffer): VmmEnd | null {
  const length = said.subarray(0, MAX_LINE).indexOf("\n");
  const console = said.subarray(length + 1);
  const [, kind, digits] = END_LINE.exec(said.toString("latin1", 0, Math.max(0, length))) ?? [];
  const number = Number(digits);
  if (console.length > MAX_CONSOLE) return null;
  if (kind === "exit" && number <= 255) return { kind, number, console };
  // signal(7): 1 to 64 on Linux.
  if (kind === "signal" && number >= 1 && number <= 64) return { kind, number, console };
  return null;
}

/** The newest of the guest's serial console, at most 64 KiB, raw. Rejects with a system error, or at the deadline. */
export async function readConsole(path: string, limits: Limits): Promise<Buffer> {
  const socket = await ask(path, "c", limits);
  const whole = new Promise<Buffer>((resolve, reject) => {
    const pieces: Buffer[] = [];
    let length = 0;
    socket.on("data", (piece: Buffer) => {
      pieces.push(piece);
      length += piece.length;
      if (length > MAX_CONSOLE) socket.destroy(new Error(`the console is longer than ${MAX_CONSOLE} bytes`));
    });
    socket.once("end", () => resolve(Buffer.concat(pieces)));
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("the console was cut off")));
  });
  const late = (ms: number) => new Error(`the console did not end within ${ms} ms`);
  return await withDeadline(whole, limits, late).finally(() => socket.destroy());
}
