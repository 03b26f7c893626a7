import { FRAME } from "@microterm/protocol";
import { describe, expect, it } from "vitest";
import { ConnectionError } from "./errors.ts";
import { startExec } from "./exec.ts";
import { ManualTiming, type ScriptedSocket, scriptedSockets } from "./testing/scripted.ts";

const settle = () => new Promise((done) => setImmediate(done));

function run(
  onStdout: (bytes: Uint8Array) => undefined | Promise<void> = () => undefined,
  refusal: Error | null = new Error("refused"),
  command = ["true"],
) {
  const sockets = scriptedSockets();
  const session = startExec({
    url: "ws://host/exec",
    headers: {},
    openSocket: sockets.open,
    request: { command, tty: null },
    onStdout,
    onStderr: () => undefined,
    diagnose: async () => refusal,
    timing: new ManualTiming(),
  });
  return { session, sockets, socket: sockets.opened[0] as ScriptedSocket };
}

describe("an exec", () => {
  it("sends its request first, then stdin, then the end of it", async () => {
    const { session, socket } = run();
    const written = session.write(Uint8Array.of(1, 2));
    session.end();
    socket.open();
    await written;
    await settle();
    expect(socket.sent.map((message) => message[0])).toEqual([FRAME.start, FRAME.input, FRAME.stdinEof]);
  });

  it("holds back the network while a writer is slow and hands out nothing out of order", async () => {
    const seen: number[] = [];
    const releases: (() => void)[] = [];
    const { session, socket } = run((bytes) => {
      seen.push(bytes[0] as number);
      return new Promise<void>((done) => releases.push(done));
    });
    socket.open();
    socket.deliver(Uint8Array.of(FRAME.stdout, 1));
    socket.deliver(Uint8Array.of(FRAME.stdout, 2));
    socket.deliver(Uint8Array.of(FRAME.exited, 0, 0, 0, 0, 5));
    socket.break(1000);
    expect([seen, socket.isPaused]).toEqual([[1], true]);
    releases.shift()?.();
    await settle();
    expect(seen).toEqual([1, 2]);
    releases.shift()?.();
    await expect(session.result).resolves.toEqual({ kind: "exited", exit: { code: 5, signal: null } });
  });

  it("tells why the connection was refused", async () => {
    const { session, socket } = run();
    socket.break(1006);
    await expect(session.result).rejects.toThrow("refused");
  });

  it.each([
    [1002, "START is not JSON", "BAD_REQUEST"],
    [1011, "the guest did not answer within 15000 ms", "GUEST_UNREACHABLE"],
  ])("does not blame the connection for what the server says with %i", async (code, reason, expected) => {
    const { session, socket } = run(() => undefined, null);
    socket.open();
    socket.break(code, reason);
    await expect(session.result).rejects.toMatchObject({ name: "PlatformError", code: expected, message: reason });
  });

  it("refuses a command that no Linux takes without a word to the server", async () => {
    const { session, sockets } = run(undefined, null, ["echo", "x".repeat(131_072)]);
    expect(sockets.opened).toEqual([]);
    await session.write(Uint8Array.of(1));
    session.end();
    session.close();
    await expect(session.result).resolves.toMatchObject({
      kind: "failed",
      failure: { code: "failed", message: expect.stringMatching(/E2BIG.*word 2.*131072 bytes/) },
    });
  });

  it("fails when the connection breaks before the exit", async () => {
    const { session, socket } = run(() => undefined, null);
    socket.open();
    socket.deliver(Uint8Array.of(FRAME.started, 0, 0, 0, 9));
    socket.break(1006);
    await expect(session.result).rejects.toBeInstanceOf(ConnectionError);
  });
});
