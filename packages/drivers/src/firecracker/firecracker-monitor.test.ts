import type { Socket } from "node:net";
import type { MachineEnd } from "@microterm/core";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { listenAsPeer } from "../../../../support/scripted-peer.ts";
import { FirecrackerMonitor } from "./firecracker-monitor.ts";

const WAIT = { timeout: 60_000, interval: 5 };
const PANIC =
  "[    1.000001] Kernel panic - not syncing: sysrq\r\n[    1.2] Call Trace:\r\n[    2.0] Rebooting in 1 seconds..\r\n";

interface Peer {
  /** Connections that wait for the end, the newest last. */
  readonly watches: Socket[];
  console: Buffer;
  /** What is done with a wish for the console instead of answering it. */
  onConsole: ((socket: Socket) => void) | undefined;
  alive: boolean | undefined;
  said: string;
}

/** The process beside a Firecracker, which answers when the test says so. */
async function startPeer(given: Partial<Peer> = {}) {
  const peer: Peer = { watches: [], console: Buffer.alloc(0), onConsole: undefined, alive: true, said: "", ...given };
  const path = await listenAsPeer((socket) => {
    socket.once("data", (wish: Buffer) => {
      if (wish.toString() === "w") peer.watches.push(socket);
      else if (wish.toString() !== "c") socket.destroy();
      else if (peer.onConsole !== undefined) peer.onConsole(socket);
      else socket.end(peer.console);
    });
  });
  const ends: MachineEnd[] = [];
  const monitor = new FirecrackerMonitor({
    path,
    isAlive: async () => {
      if (peer.alive === undefined) throw new Error("the daemon is away");
      return peer.alive;
    },
    complaint: async () => peer.said,
    ended: (end) => ends.push(end),
  });
  onTestFinished(() => monitor.release());
  await monitor.start();
  const watched = (count: number) => vi.waitFor(() => expect(peer.watches).toHaveLength(count), WAIT);
  await watched(1);
  const say = (text: string) => peer.watches.at(-1)?.end(text);
  /** What a process beside it says of an end. */
  const end = (line: string) => say(`${line}\n${peer.console.toString("latin1")}`);
  const ended = () => vi.waitFor(() => expect(ends).toHaveLength(1), WAIT).then(() => ends[0]);
  return { peer, monitor, ends, watched, say, end, ended };
}

describe("the end of a Firecracker", () => {
  it("with code 0 is its guest's power-off", async () => {
    const { end, ended } = await startPeer({ console: Buffer.from("bye\n") });
    end("exit 0");
    expect(await ended()).toEqual({ kind: "powered-off", reason: "the guest powered off" });
  });

  it("with code 0 is its guest's panic where that is the last that the kernel said", async () => {
    const { end, ended } = await startPeer({ console: Buffer.from(PANIC) });
    end("exit 0");
    expect(await ended()).toMatchObject({ kind: "panicked", reason: expect.stringContaining("sysrq") });
  });

  it.each([
    ["exit 148", "Firecracker ended with code 148"],
    ["signal 31", "Firecracker was ended by signal 31"],
  ])("with %j is its death, with what it said", async (line, reason) => {
    const { end, ended } = await startPeer({ console: Buffer.from("last words\n"), said: "bad syscall" });
    end(line);
    const all = `${reason}; Firecracker said: bad syscall; last on its console: last words`;
    expect(await ended()).toEqual({ kind: "died", reason: all });
  });

  it("is understood in pieces", async () => {
    const { peer, say, ended } = await startPeer();
    peer.watches[0]?.write("ex");
    await new Promise((resolve) => setImmediate(resolve));
    say("it 0\n");
    expect(await ended()).toMatchObject({ kind: "powered-off" });
  });

  it("is held back while the machine is being saved", async () => {
    const { monitor, say, ends, ended, peer } = await startPeer();
    monitor.expectEnd();
    say("signal 9\n");
    await vi.waitFor(() => expect(peer.watches[0]?.closed).toBe(true), WAIT);
    await monitor.console();
    expect(ends).toEqual([]);
    monitor.expectNoEnd();
    expect(await ended()).toMatchObject({ kind: "died" });
  });

  it("is nothing that a released machine reports", async () => {
    const { monitor, peer, ends } = await startPeer();
    monitor.release();
    await vi.waitFor(() => expect(peer.watches[0]?.closed).toBe(true), WAIT);
    expect(ends).toEqual([]);
  });
});

describe("a connection that breaks", () => {
  it.each([
    "",
    "exit 256\n",
    "exit 0",
    "signal 0\n",
    "rubbish\n",
    "x".repeat(100_000),
    `exit 0\n${"x".repeat(65_537)}`,
  ])("behind %j is made again while the machine lives, and by and by", async (text) => {
    const { say, watched, ended } = await startPeer();
    say(text);
    await watched(2);
    say("exit 0\n");
    expect(await ended()).toMatchObject({ kind: "powered-off" });
  });

  it("is the machine's death where the daemon says so", async () => {
    const { peer, say, ended } = await startPeer({ console: Buffer.from("") });
    peer.alive = false;
    say("");
    expect(await ended()).toEqual({ kind: "died", reason: "the VMM's process ended" });
  });

  it("is made again where the daemon cannot say", async () => {
    const { peer, say, watched } = await startPeer();
    peer.alive = undefined;
    say("");
    await watched(2);
  });
});

describe("the console", () => {
  it("is all that the peer has, each time anew", async () => {
    const { peer, monitor } = await startPeer({ console: Buffer.from([0xff, 0x0a, 0x00]) });
    expect(await monitor.console()).toEqual(Buffer.from([0xff, 0x0a, 0x00]));
    peer.console = Buffer.alloc(65_536, "x");
    expect(await monitor.console()).toEqual(peer.console);
  });

  it("of a peer whose answer is endless is what it was before", async () => {
    const { peer, monitor } = await startPeer({ console: Buffer.from("before") });
    await monitor.console();
    peer.onConsole = (socket) => void socket.write(Buffer.alloc(1_000_000));
    expect(Buffer.from(await monitor.console()).toString()).toBe("before");
    await expect(monitor.examine()).rejects.toThrow("longer than 65536 bytes");
  });

  it("of a peer that never ends its answer is given up", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onTestFinished(() => void vi.useRealTimers());
    let isAsked = false;
    const onConsole = (): void => {
      isAsked = true;
    };
    const { monitor } = await startPeer({ onConsole });
    const examined = expect(monitor.examine()).rejects.toThrow(/did not end within \d+ ms/);
    await vi.waitFor(() => expect(isAsked).toBe(true), WAIT);
    await vi.advanceTimersByTimeAsync(10_000_000);
    await examined;
  });

  it("of a silent guest tells whether its kernel is dead", async () => {
    const { peer, monitor, ends } = await startPeer({ console: Buffer.from("[    1.0] sound\n") });
    await monitor.examine();
    expect(ends).toEqual([]);
    peer.console = Buffer.from(PANIC);
    await monitor.examine();
    expect(ends).toMatchObject([{ kind: "panicked" }]);
  });
});

it("nobody at the socket is a machine that cannot be followed", async () => {
  const monitor = new FirecrackerMonitor({
    path: "/nonexistent/watch.sock",
    isAlive: async () => true,
    complaint: async () => "",
    ended: () => {},
  });
  await expect(monitor.start()).rejects.toMatchObject({ code: "ENOENT" });
});
