import { TerminalId } from "@microterm/protocol";
import { expect, onTestFinished, vi } from "vitest";
import type { GuestAgent, TerminalSpec } from "../ports/guest-agent.ts";
import type { Check } from "./contract-checks.ts";
import { attachTo, type OpenedTerminal, readAll, runInGuest } from "./guest-recorder.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
/** A shell under emulation on a busy host needs seconds to say its first word. */
const WAIT = { timeout: 90_000, interval: 20 };

/** Listens at 127.0.0.1 alone, says where, and sends back what one client sends, turned round, once that has ended. */
const REVERSING_PROGRAM = `
import socket
listener = socket.create_server(("127.0.0.1", 0))
print("port", listener.getsockname()[1], flush=True)
client = listener.accept()[0]
text = b"".join(iter(lambda: client.recv(65536), b""))
client.sendall(text[::-1])
client.close()
`;

let lastTerminal = 0;
function newTerminalId(): TerminalId {
  lastTerminal += 1;
  return TerminalId.parse(`t${Date.now().toString(36)}${lastTerminal}`);
}

async function openShell(agent: GuestAgent, spec: Partial<TerminalSpec> = {}): Promise<OpenedTerminal> {
  const id = newTerminalId();
  await agent.openTerminal({ id, cols: 80, rows: 24, command: ["sh"], ...spec });
  const terminal = await attachTo(agent, id);
  onTestFinished(async () => {
    terminal.stream.close();
    await agent.closeTerminal(id);
  });
  return terminal;
}

async function* once(text: string): AsyncGenerator<Uint8Array> {
  yield encoder.encode(text);
}

/** What every guest's agent must do, through a driver's machine. */
export function guestAgentChecks(check: Check, agent: () => Promise<GuestAgent>): void {
  check("the agent says who it is", async () => {
    const { hello } = await agent();
    expect(hello).toMatchObject({ protocol: 5, isSealed: false });
    expect(hello.bootId).toMatch(/^[0-9a-f-]{36}$/);
  });

  check("a terminal runs what is typed, at the size it was given", async () => {
    const terminal = await openShell(await agent(), { cols: 100, rows: 30 });
    expect(terminal.seen.sizes[0] ?? { cols: 100, rows: 30 }).toMatchObject({ cols: 100, rows: 30 });
    terminal.type("stty size; echo $((6 * 7))-done\n");
    await vi.waitFor(() => expect(terminal.seen.text).toMatch(/30 100\r\n42-done/), WAIT);
    expect(terminal.seen.sizes).toEqual([{ offset: 0n, cols: 100, rows: 30 }]);
    terminal.stream.resize(90, 20);
    await vi.waitFor(() => expect(terminal.seen.sizes.at(-1)).toMatchObject({ cols: 90, rows: 20 }), WAIT);
  });

  check("an attachment continues at exactly the byte it names", async () => {
    const guest = await agent();
    const first = await openShell(guest);
    first.type("seq 1 2000; echo end-$((1+1))\n");
    await vi.waitFor(() => expect(first.seen.text).toContain("end-2"), WAIT);
    await vi.waitFor(() => expect(first.seen.text).toMatch(/end-2\r\n.+/s), WAIT);
    expect(first.seen.start).toBe(0n);
    expect(first.seen.end).toBe(BigInt(first.seen.bytes.length));
    const middle = BigInt(Math.floor(first.seen.bytes.length / 2));
    const second = await attachTo(guest, first.id, middle);
    onTestFinished(() => second.stream.close());
    await vi.waitFor(() => expect(second.seen.end).toBe(first.seen.end), WAIT);
    expect(second.seen.start).toBe(middle);
    expect(second.seen.text).toBe(decoder.decode(first.seen.bytes.subarray(Number(middle))));
  });

  check("an offset past the end is refused with what there is", async () => {
    const guest = await agent();
    const { id } = await openShell(guest, { command: ["sleep", "1000"] });
    const refused = guest.attach(id, { from: 1_000_000n, events: (await openShell(guest)).seen });
    await expect(refused).rejects.toMatchObject({ code: "BAD_REQUEST", details: { start: "0", end: "0" } });
  });

  check("a program's end is reported with its status, and again to later readers", async () => {
    const guest = await agent();
    const terminal = await openShell(guest, { command: ["sh", "-c", "echo bye; exit 7"] });
    await vi.waitFor(() => expect(terminal.seen.isClosed).toBe(true), WAIT);
    expect(terminal.seen.exit).toEqual({ code: 7, signal: null });
    expect(terminal.seen.error).toBeUndefined();
    expect(terminal.seen.text).toBe("bye\r\n");
    const later = await attachTo(guest, terminal.id);
    await vi.waitFor(() => expect(later.seen.isClosed).toBe(true), WAIT);
    expect(later.seen).toMatchObject({ text: "bye\r\n", exit: { code: 7, signal: null } });
    const known = (await guest.terminals()).find(({ id }) => id === terminal.id);
    expect(known).toMatchObject({ startOffset: 0n, endOffset: 5n, exit: { code: 7, signal: null } });
  });

  check("a paused attachment gets nothing, and everything once resumed", async () => {
    const terminal = await openShell(await agent());
    terminal.type("echo ready-$((1+1))\n");
    await vi.waitFor(() => expect(terminal.seen.text).toContain("ready-2"), WAIT);
    terminal.stream.pause();
    const before = terminal.seen.end;
    terminal.type("head -c 1000000 /dev/zero | tr '\\0' x; echo over-$((1+1))\n");
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(terminal.seen.end).toBe(before);
    terminal.stream.resume();
    await vi.waitFor(() => expect(terminal.seen.end - before).toBeGreaterThan(1_000_000n), WAIT);
    await vi.waitFor(() => expect(terminal.seen.text.slice(-100)).toContain("over-2"), WAIT);
    expect(terminal.seen.gaps).toEqual([]);
  });

  check("a hundred stalled streams starve no other call", async () => {
    const guest = await agent();
    const flood = await openShell(guest);
    flood.type("yes | head -c 300000; echo over-$((1+1))\n");
    await vi.waitFor(() => expect(flood.seen.text.slice(-100)).toContain("over-2"), WAIT);
    const stalled: OpenedTerminal[] = [];
    for (let opened = 0; opened < 100; opened += 1) {
      const one = await attachTo(guest, flood.id);
      one.stream.pause();
      stalled.push(one);
    }
    expect((await runInGuest(guest, ["echo", "still here"])).stdout).toBe("still here\n");
    flood.type("echo typed-$((1+1))\n");
    await vi.waitFor(() => expect(flood.seen.text.slice(-100)).toContain("typed-2"), WAIT);
    for (const one of stalled) one.stream.resume();
    await vi.waitFor(() => expect(stalled.every(({ seen }) => seen.end >= flood.seen.end)).toBe(true), WAIT);
    for (const one of stalled) {
      expect(one.seen.gaps).toEqual([]);
      one.stream.close();
    }
  });

  check("a closed terminal is gone, closing again is no error", async () => {
    const guest = await agent();
    const { id } = await openShell(guest, { command: ["sleep", "1000"] });
    await guest.closeTerminal(id);
    await guest.closeTerminal(id);
    await expect(attachTo(guest, id)).rejects.toMatchObject({ code: "TERMINAL_NOT_FOUND" });
  });

  check("exec keeps the streams apart and tells the exit", async () => {
    const guest = await agent();
    const mixed = await runInGuest(guest, ["sh", "-c", "echo out; echo err >&2; exit 3"]);
    expect(mixed).toMatchObject({ stdout: "out\n", stderr: "err\n", exit: { code: 3, signal: null } });
    expect((await runInGuest(guest, ["sh", "-c", "kill -9 $$"])).exit).toEqual({ code: null, signal: 9 });
    const input = encoder.encode("x".repeat(300_000));
    expect((await runInGuest(guest, ["wc", "-c"], input)).stdout.trim()).toBe("300000");
  });

  check("exec tells why a command was not started", async () => {
    const guest = await agent();
    expect((await runInGuest(guest, ["/no/such/program"])).failure).toBe("not-found");
    expect((await runInGuest(guest, ["/etc/passwd"])).failure).toBe("not-executable");
  });

  check("files are written, read, listed and removed", async () => {
    const guest = await agent();
    const text = "0123456789".repeat(50_000);
    const written = await guest.write("folder.test", once("x")).then(() => guest.removeFile("folder.test"));
    expect(written).toBeUndefined();
    await guest.makeDirectory("files/deep");
    expect(await guest.write("files/deep/a.txt", once(text), { mode: 0o640 })).toMatchObject({
      size: 500_000,
      mode: 0o640,
    });
    const { size, body } = await guest.read("files/deep/a.txt");
    expect(size).toBe(500_000);
    expect(decoder.decode(await readAll(body))).toBe(text);
    expect(await guest.stat("files/deep/a.txt")).toMatchObject({ type: "file", size: 500_000 });
    const { entries, truncated } = await guest.list("files/deep");
    expect(truncated).toBe(false);
    expect(entries.map((entry) => entry.path.split("/").at(-1))).toEqual(["a.txt"]);
    await expect(guest.stat("files/none")).rejects.toMatchObject({ code: "FILE_NOT_FOUND" });
    await expect(guest.read("files/deep")).rejects.toMatchObject({ code: "FILE_NOT_REGULAR" });
    await guest.removeFile("files", { recursive: true });
    await expect(guest.stat("files")).rejects.toMatchObject({ code: "FILE_NOT_FOUND" });
  });

  check("a folder goes out as a tar and comes in as one", async () => {
    const guest = await agent();
    await guest.makeDirectory("tar-out/sub");
    await guest.write("tar-out/sub/a.txt", once("hello"));
    const tar = await readAll(await guest.readTar("tar-out"));
    await guest.makeDirectory("tar-in");
    const all = (async function* () {
      yield tar;
    })();
    expect((await guest.writeTar("tar-in", all)).entries).toBeGreaterThanOrEqual(3);
    expect(decoder.decode(await readAll((await guest.read("tar-in/tar-out/sub/a.txt")).body))).toBe("hello");
    await guest.removeFile("tar-in", { recursive: true });
    await guest.removeFile("tar-out", { recursive: true });
  });

  check("an upload that breaks off leaves nothing", async () => {
    const guest = await agent();
    const broken = (async function* () {
      yield encoder.encode("half");
      throw new Error("the client went away");
    })();
    await expect(guest.write("broken.txt", broken)).rejects.toThrow("the client went away");
    await expect(guest.stat("broken.txt")).rejects.toMatchObject({ code: "FILE_NOT_FOUND" });
  });

  check("a claim names the environment for later programs, and a wake harms nothing", async () => {
    const guest = await agent();
    await guest.claim({ environment: "some name", interface: null });
    expect((await runInGuest(guest, ["sh", "-c", "echo $MICROTERM_NAME"])).stdout).toBe("some name\n");
    await guest.wake({ timeUnixMs: Date.now(), seed: crypto.getRandomValues(new Uint8Array(64)), interface: null });
    expect((await runInGuest(guest, ["echo", "awake"])).stdout).toBe("awake\n");
    await expect(guest.claim({ environment: "two\nlines", interface: null })).rejects.toMatchObject({
      code: "BAD_REQUEST",
    });
  });

  check("an interface that the agent cannot set up is refused, not left out", async () => {
    const guest = await agent();
    const eth0 = { name: "eth0", macAddress: "02:00:00:00:00:01", address: "10.0.0.1", prefixLength: 24 };
    const given = { ...eth0, gateway: null, resolvers: [], mtu: 1500, hosts: [] };
    const refused = { code: "UNSUPPORTED" };
    await expect(guest.claim({ environment: "other", interface: given })).rejects.toMatchObject(refused);
    const wake = { timeUnixMs: Date.now(), seed: crypto.getRandomValues(new Uint8Array(64)), interface: given };
    await expect(guest.wake(wake)).rejects.toMatchObject(refused);
    const identity = { ...wake, hostname: "other", machineId: "0".repeat(32), environment: "other" };
    await expect(guest.identify(identity)).rejects.toMatchObject(refused);
    await expect(guest.setNetwork({ interface: given })).rejects.toMatchObject(refused);
    expect((await runInGuest(guest, ["sh", "-c", "echo $MICROTERM_NAME"])).stdout).not.toBe("other\n");
  });

  check("a program's port is told, and reached where it listens at 127.0.0.1 alone", async () => {
    const guest = await agent();
    const program = await openShell(guest, { command: ["python3", "-c", REVERSING_PROGRAM] });
    await vi.waitFor(() => expect(program.seen.text).toMatch(/port \d+\r\n/), WAIT);
    const port = Number(/port (\d+)/.exec(program.seen.text)?.[1]);
    const told: number[] = [];
    const watch = await guest.watchPorts({ ports: ({ ports }) => told.push(...ports), closed() {} });
    onTestFinished(() => watch.close());
    await vi.waitFor(() => expect(told).toContain(port), WAIT);
    let received = "";
    const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
    const events = {
      data: (bytes: Uint8Array) => {
        received += decoder.decode(bytes);
      },
      ended: resolve,
      closed: (error?: Error) => error !== undefined && reject(error),
    };
    const connection = await guest.connect(port, events);
    connection.write(encoder.encode("desserts"));
    await connection.end();
    await ended;
    expect(received).toBe("stressed");
    await expect(guest.connect(1, events)).rejects.toMatchObject({ code: "PORT_REFUSED" });
  });

  check("metrics are plausible", async () => {
    const metrics = await (await agent()).metrics();
    expect(metrics.memory.totalKib).toBeGreaterThan(metrics.memory.availableKib);
    expect(metrics.processes).toBeGreaterThan(0);
  });
}
