import { readFileSync } from "node:fs";
import { FRAME, MAX_UNACKNOWLEDGED } from "@microterm/protocol";
import { describe, expect, it } from "vitest";
import { addOwner } from "../../support/second-owner.ts";
import { poll } from "../../support/server.ts";
import { TerminalClient, type TerminalClientOptions } from "../../support/terminal-client.ts";
import { terminalSuite } from "../../support/terminal-suite.ts";

const suite = terminalSuite("terminals");
const { open, attach } = suite;

const residentKib = (): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${suite.server.pid}/status`, "utf8"))?.[1] ?? 0);

describe("a terminal's WebSocket", () => {
  it("tells what it holds, then the size, then echoes what is typed", async () => {
    const client = attach(await open("stty -echo; echo ready; exec cat"));
    await client.until("ready");
    client.type("hello\n");
    await client.until("hello");
    expect(client.ready).toMatchObject({ start: "0", from: "0", role: "owner" });
    expect(client.frames.slice(0, 2)).toEqual(["READY", "RESIZE 0 80 24"]);
  });

  it("continues at the very byte, and from the oldest byte without an offset", async () => {
    const terminal = await open("printf 0123456789; exec cat");
    const first = attach(terminal);
    await first.until("0123456789");
    const second = attach(terminal, { from: 4 });
    await second.until("456789");
    expect([second.text, second.ready?.from]).toEqual(["456789", "4"]);
    const third = await attach(terminal, { from: 10 }).opened();
    expect(third.ready).toMatchObject({ from: "10", end: "10" });
    expect(third.text).toBe("");
  });

  it("shows the screen with a notice when the offset is from the future", async () => {
    const terminal = await open("printf abc; exec cat");
    await attach(terminal).until("abc");
    const client = attach(terminal, { from: 1_000_000 });
    await poll("a keyframe", () => client.keyframes.length === 1);
    expect(client.frames.slice(0, 3)).toEqual(["READY", "NOTICE offset-unknown", "KEYFRAME 3"]);
  });

  it("makes up for what has left the ring by a keyframe", async () => {
    const terminal = await open("head -c 6000000 /dev/zero | tr '\\0' x; printf END; exec cat");
    const first = attach(terminal, { keep: true });
    await first.until(/END$/);
    const late = attach(terminal, { from: 10 });
    await poll("a keyframe", () => late.keyframes.length === 1);
    expect(late.frames).toEqual(["READY", "KEYFRAME 6000003"]);
    expect(late.keyframes[0]?.content.toString()).toContain("xEND");
    expect(late.received).toBe(0);
  });

  it("brings the exit status and closes, then and later", async () => {
    const terminal = await open("echo bye; exit 7");
    for (const client of [attach(terminal), attach(terminal)]) {
      expect(await client.ended).toMatchObject({ code: 1000 });
      expect(client.text).toBe("bye\r\n");
      expect(client.frames.at(-1)).toBe("EXIT 5 0 7");
    }
  });

  it("answers pings at once", async () => {
    const client = await attach(await open("exec cat")).opened();
    client.ping(4_000_000_000);
    await poll("PONG", () => client.frames.includes("PONG 4000000000"));
  });

  it("has the size of the client that typed last", async () => {
    const terminal = await open("exec cat");
    const [one, two] = [await attach(terminal).opened(), await attach(terminal).opened()];
    one.resize(100, 30);
    await poll("the first one's size", () => two.frames.some((frame) => frame.endsWith(" 100 30")));
    one.type("a");
    await two.until("a");
    two.resize(50, 20);
    two.ping(1);
    await poll("PONG", () => two.frames.includes("PONG 1"));
    expect(two.frames.some((frame) => frame.endsWith(" 50 20"))).toBe(false);
    two.type("b");
    await poll("the second one's size", () => one.frames.some((frame) => frame.endsWith(" 50 20")));
    one.type("c");
    await poll(
      "the first one's size again",
      () => two.frames.filter((frame) => frame.endsWith(" 100 30")).length === 2,
    );
  });

  it("takes nothing that a client's emulator says by itself but of the focus, and that from one client only", async () => {
    const terminal = await open("stty raw -echo; exec cat -v");
    const [one, two] = [await attach(terminal).opened(), await attach(terminal).opened()];
    for (const client of [one, two]) {
      client.reply("\x1b[?1;2c");
      client.reply("\x1b[I");
    }
    one.type("first");
    await two.until("first");
    expect(two.text).toBe("^[[Ifirst");
  });

  it("sends no more than the window to a client that acknowledges nothing, and goes on once it does", async () => {
    const client = attach(await open("stty -onlcr; seq 1 400000; printf END; exec cat"), { acknowledge: false });
    await poll("the window to fill", () => client.received > MAX_UNACKNOWLEDGED - 2 * 65_536);
    client.ping(1);
    await poll("PONG", () => client.frames.includes("PONG 1"));
    expect(client.received).toBeLessThanOrEqual(MAX_UNACKNOWLEDGED);
    const first = Array.from({ length: 100_000 }, (_, index) => index + 1).join("\n");
    expect(first.startsWith(client.text)).toBe(true);
    let acknowledged = 0n;
    // Nobody waited for it, so by then it may get the screen as it is instead of all that it missed.
    await poll("the end", () => {
      if (client.offset > acknowledged) client.acknowledge(client.offset);
      acknowledged = client.offset;
      return client.text.endsWith("END") || client.keyframes.at(-1)?.content.includes("END") === true;
    });
    expect([client.jumps, client.offset]).toEqual([[], 2_688_898n]);
  });

  it("takes a paste that a program echoes, larger than every buffer on the way", async () => {
    const client = attach(await open("stty raw -echo; echo ready; exec cat"));
    await client.until("ready");
    client.forget();
    const paste = "0123456789abcdef".repeat(2048);
    for (let index = 0; index < 128; index++) client.type(paste);
    await poll("the echo", () => client.bytes.length >= 128 * paste.length);
    expect(client.bytes.equals(Buffer.from(paste.repeat(128)))).toBe(true);
    expect(client.frames.filter((frame) => frame.startsWith("GAP"))).toEqual([]);
  });

  it("keeps the server's memory flat while a client is stalled through 200 MB", { timeout: 180_000 }, async () => {
    const terminal = await open("stty -onlcr; yes 0123456789abcdef | head -c 200000000; printf END; exec cat");
    const stalled = attach(terminal, { acknowledge: false, keep: false });
    const reader = attach(terminal, { keep: false });
    // Buffers and heaps have their size by then.
    let before = 0;
    await poll(
      "the flood to flow",
      () => {
        before = Math.max(before, residentKib());
        return reader.received > 50_000_000;
      },
      120_000,
    );
    let highest = before;
    await poll(
      "the flood's end",
      () => {
        highest = Math.max(highest, residentKib());
        return reader.offset >= 200_000_003n;
      },
      150_000,
    );
    expect(highest - before).toBeLessThan(10 * 1024);
    expect(stalled.received).toBeLessThanOrEqual(MAX_UNACKNOWLEDGED);
    expect(reader.jumps).toEqual([]);
  });
});

describe("a broken protocol", () => {
  const bad: readonly (readonly [string, (client: TerminalClient) => void])[] = [
    ["a text message", (client) => client.socket.send("hello")],
    ["an unknown type", (client) => client.socket.send(Buffer.of(0x99, 1, 2))],
    ["a server's frame", (client) => client.socket.send(Buffer.of(FRAME.output, 0, 0, 0, 0, 0, 0, 0, 0))],
    ["an empty message", (client) => client.socket.send(Buffer.alloc(0))],
    ["a short RESIZE", (client) => client.socket.send(Buffer.of(FRAME.resize, 0, 80))],
    ["a size of nothing", (client) => client.resize(0, 24)],
    ["a size beyond 1000", (client) => client.resize(1001, 24)],
    ["a long ACK", (client) => client.socket.send(Buffer.alloc(10, FRAME.ack))],
    ["an ACK of the future", (client) => client.acknowledge(1_000_000n)],
  ];
  it.each(bad)("closes with 1002 on %s", async (_name, act) => {
    const client = await attach(await open("exec cat")).opened();
    act(client);
    expect(await client.ended).toMatchObject({ code: 1002 });
  });

  it("closes on a message beyond 64 KiB", async () => {
    const client = await attach(await open("exec cat")).opened();
    client.socket.send(Buffer.alloc(65_538, FRAME.input));
    expect(await client.ended).toMatchObject({ code: 1009 });
  });

  it("is refused before the upgrade", async () => {
    const terminal = await open("exec cat");
    const { token } = await addOwner(suite.server.data, "otherowner2");
    const status = async (options: TerminalClientOptions, id = terminal) => (await attach(id, options).ended).code;
    expect(await status({ protocols: [] })).toBe(426);
    expect(await status({ protocols: ["other.v1"] })).toBe(426);
    expect(await status({ headers: { authorization: "Bearer wrong" } })).toBe(401);
    expect(await status({ headers: { authorization: `Bearer ${token}` } })).toBe(404);
    expect(await status({ headers: { origin: "http://evil.example" } })).toBe(403);
    expect(await status({ headers: { host: "evil.example" } })).toBe(421);
    expect(await status({ from: "-1" })).toBe(400);
    expect(await status({ from: "99999999999999999999" })).toBe(400);
    expect(await status({}, "nosuchterminal")).toBe(404);
    expect(await status({}, "NoSuch")).toBe(400);
  });

  it("closes with 4404 when the environment is removed or its terminal closed", async () => {
    const { server } = suite;
    const { id, terminals } = await server.environment();
    const one = await new TerminalClient(server, id, terminals[0].id).opened();
    const { id: second } = await server.ok("POST", `/v1/environments/${id}/terminals`, {});
    const two = await new TerminalClient(server, id, second).opened();
    await server.ok("DELETE", `/v1/environments/${id}/terminals/${second}`);
    expect([1000, 4404]).toContain((await two.ended).code);
    await server.ok("DELETE", `/v1/environments/${id}`);
    expect([1000, 4404]).toContain((await one.ended).code);
  });
});
