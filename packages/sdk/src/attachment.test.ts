import { FRAME, PlatformError } from "@microterm/protocol";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Attachment } from "./attachment.ts";
import type { AttachmentState } from "./attachment-options.ts";
import { ManualTiming, type ScriptedSocket, scriptedSockets } from "./testing/scripted.ts";

function u64(type: number, ...values: readonly bigint[]): number[] {
  const view = new DataView(new ArrayBuffer(8 * values.length));
  values.forEach((value, i) => {
    view.setBigUint64(8 * i, value);
  });
  return [type, ...new Uint8Array(view.buffer)];
}
const inputAck = (count: bigint) => Uint8Array.of(...u64(FRAME.inputAck, count));
const output = (offset: bigint, data: Uint8Array) => Uint8Array.of(...u64(FRAME.output, offset), ...data);
const gap = (from: bigint, to: bigint) => Uint8Array.of(...u64(FRAME.gap, from, to));
/** `input` undefined: a server that acknowledges no input. */
function ready(start: bigint, end: bigint, from: bigint, input?: bigint | null): Uint8Array {
  const json = {
    ...{ terminal: "t1", start: `${start}`, end: `${end}`, from: `${from}`, role: "owner" },
    ...(input === undefined ? {} : { input: input === null ? null : `${input}` }),
  };
  return Uint8Array.of(FRAME.ready, ...new TextEncoder().encode(JSON.stringify(json)));
}

function attach(options: { from?: bigint; awaitsSignIn?: boolean; diagnose?: () => Promise<Error | null> } = {}) {
  const timing = new ManualTiming();
  const sockets = scriptedSockets();
  const states: AttachmentState[] = [];
  const seen: number[] = [];
  const events: string[] = [];
  const attachment = new Attachment({
    url: "ws://host/attach",
    headers: {},
    openSocket: sockets.open,
    from: options.from ?? null,
    awaitsSignIn: options.awaitsSignIn ?? false,
    input: "0123456789abcdef",
    size: { cols: 80, rows: 24 },
    diagnose: options.diagnose ?? (async () => null),
    timing,
    onOutput: (bytes, offset) => {
      seen.push(...bytes);
      attachment.acknowledge(offset + BigInt(bytes.length));
    },
    onGap: (from, to) => events.push(`gap ${from}..${to}`),
    onReset: () => events.push("reset"),
    onExit: (exit) => events.push(`exit ${exit.code ?? `signal ${exit.signal}`}`),
    onInputLost: (bytes) => events.push(`lost ${bytes}`),
    onLatency: (ms) => events.push(`latency ${ms}`),
    onState: (state) => states.push(state),
  });
  const last = () => sockets.opened.at(-1) as ScriptedSocket;
  const connect = (start: bigint, end: bigint, from: bigint, input?: bigint | null) => {
    last().open();
    last().deliver(ready(start, end, from, input));
  };
  return { attachment, timing, sockets, states, seen, events, last, connect };
}
const typesSent = (socket: ScriptedSocket) => socket.sent.map((message) => message[0]);

describe("an attachment", () => {
  it("asks for the oldest byte first and for the next one after a broken connection", () => {
    const t = attach();
    expect(t.last().url).toBe("ws://host/attach?input=0123456789abcdef");
    t.connect(0n, 3n, 0n);
    t.last().deliver(output(0n, Uint8Array.of(1, 2, 3)));
    t.last().break();
    t.timing.pass(100);
    expect(t.sockets.opened.map(({ url }) => url)).toEqual([
      "ws://host/attach?input=0123456789abcdef",
      "ws://host/attach?from=3&input=0123456789abcdef",
    ]);
  });

  it("hands out every byte once, however connections break and whatever they repeat", () => {
    const cut = fc.record({ back: fc.nat(5), sizes: fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 5 }) });
    fc.assert(
      fc.property(fc.array(cut, { maxLength: 12 }), (cuts) => {
        const t = attach();
        const byteAt = (offset: bigint) => Number(offset % 251n);
        let at = 0n;
        for (const { back, sizes } of cuts) {
          const wanted = t.attachment.offset ?? 0n;
          // A server may begin earlier than asked: it must not show.
          at = wanted > BigInt(back) ? wanted - BigInt(back) : 0n;
          t.connect(0n, at + 100n, wanted);
          for (const size of sizes) {
            t.last().deliver(
              output(
                at,
                Uint8Array.from({ length: size }, (_, i) => byteAt(at + BigInt(i))),
              ),
            );
            at += BigInt(size);
          }
          t.last().break();
          t.timing.pass(5_000);
        }
        expect(t.seen).toEqual(t.seen.map((_, i) => byteAt(BigInt(i))));
        expect(BigInt(t.seen.length)).toBe(t.attachment.offset ?? 0n);
        t.attachment.close();
      }),
    );
  });

  it("does not accept that bytes are missing without a gap", () => {
    const t = attach({ from: 10n });
    t.connect(0n, 20n, 10n);
    t.last().deliver(output(12n, Uint8Array.of(9)));
    expect(t.seen).toEqual([]);
    expect(t.states.at(-1)).toMatchObject({ kind: "waiting" });
  });

  it("reports a gap, without the part that was drawn before it", () => {
    const t = attach({ from: 10n });
    t.connect(40n, 50n, 10n);
    t.last().deliver(gap(0n, 40n));
    t.last().deliver(output(40n, Uint8Array.of(7)));
    expect([t.events, t.seen]).toEqual([["gap 10..40"], [7]]);
  });

  it("starts over when its offset is from another terminal", () => {
    const t = attach({ from: 1_000n });
    t.connect(0n, 5n, 0n);
    t.last().deliver(output(0n, Uint8Array.of(1)));
    expect([t.events, t.seen, t.attachment.offset]).toEqual([["reset"], [1], 1n]);
  });

  it("waits longer after each failure, from 100 ms to 5 s, and starts again after a connection that held", async () => {
    const t = attach();
    const delays: number[] = [];
    t.timing.fraction = 0.999_999;
    for (let i = 0; i < 8; i += 1) {
      t.last().break();
      await Promise.resolve();
      await new Promise((done) => setImmediate(done));
      const state = t.states.at(-1);
      if (state?.kind === "waiting") delays.push(state.delayMs);
      t.timing.pass(5_000);
    }
    expect(delays).toEqual([100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    t.connect(0n, 0n, 0n);
    t.timing.pass(2_000);
    t.last().break();
    expect(t.states.at(-1)).toMatchObject({ kind: "waiting", delayMs: 100 });
  });

  it("keeps what is typed while disconnected, in order, and refuses more than it can hold", () => {
    const t = attach();
    expect(t.attachment.write(Uint8Array.of(1))).toBe(true);
    expect(t.attachment.write(new Uint8Array(1024 * 1024))).toBe(false);
    expect(t.attachment.write(Uint8Array.of(2))).toBe(true);
    t.connect(0n, 0n, 0n);
    const typed = t.last().sent.filter((message) => message[0] === FRAME.input);
    expect(typed).toEqual([Uint8Array.of(FRAME.input, 1, 2)]);
  });

  it("hands every typed byte to its server once, however connections break, and tells what another server can't say", () => {
    const step = fc.record({
      typed: fc.nat(6),
      /** Messages that arrive before the connection breaks, and those that the terminal takes of them. */
      arrive: fc.nat(4),
      take: fc.nat(4),
      isAnotherServer: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), fc.boolean(), (steps, hasOne) => {
        const t = attach();
        const arrived: number[] = [];
        let counter = 0;
        let server = { received: 0n, taken: 0n, isKnown: false };
        const all = [...steps, { typed: 1, arrive: 1000, take: 1000, isAnotherServer: false }];
        for (const { typed, arrive, take, isAnotherServer } of all) {
          if (isAnotherServer && !hasOne) server = { received: 0n, taken: 0n, isKnown: false };
          for (let i = 0; i < typed; i++) t.attachment.write(Uint8Array.of(counter++));
          t.connect(0n, 0n, 0n, server.isKnown ? server.received : null);
          server.isKnown = true;
          const inputs = t.last().sent.filter((message) => message[0] === FRAME.input);
          for (const message of inputs.slice(0, arrive)) {
            arrived.push(...message.subarray(1));
            server.received += BigInt(message.length - 1);
          }
          for (let i = 0; i < take && server.taken < server.received; i++) {
            server.taken += 1n;
            t.last().deliver(inputAck(server.taken));
          }
          t.last().break();
          t.timing.pass(5_000);
        }
        expect(arrived).toEqual([...new Set(arrived)].sort((a, b) => a - b));
        const lost = t.events.filter((event) => event.startsWith("lost")).map((event) => Number(event.slice(5)));
        expect(counter - arrived.length).toBeLessThanOrEqual(lost.reduce((sum, bytes) => sum + bytes, 0));
        if (hasOne) expect([arrived.length, lost]).toEqual([counter, []]);
        t.attachment.close();
      }),
    );
  });

  it("holds what it typed until the terminal has taken it, and leaves a server that acknowledges more", () => {
    const t = attach();
    t.connect(0n, 0n, 0n, null);
    t.attachment.write(Uint8Array.of(1, 2, 3));
    expect(t.attachment.queuedInput).toBe(3);
    t.last().deliver(inputAck(3n));
    expect(t.attachment.queuedInput).toBe(0);
    t.last().deliver(inputAck(4n));
    expect(t.states.at(-1)).toMatchObject({ kind: "waiting", reason: expect.stringContaining("acknowledged input") });
  });

  it("sends an emulator's answers as such, and keeps none for later", () => {
    const t = attach();
    t.attachment.reply(Uint8Array.of(1));
    t.connect(0n, 0n, 0n);
    t.attachment.reply(Uint8Array.of(2));
    expect(t.last().sent.filter((message) => message[0] === FRAME.reply)).toEqual([Uint8Array.of(FRAME.reply, 2)]);
    expect(typesSent(t.last())).not.toContain(FRAME.input);
  });

  it("cuts a paste into messages that a server takes, and holds it back while the network is slow", () => {
    const t = attach();
    t.connect(0n, 0n, 0n);
    t.last().bufferedAmount = 300 * 1024;
    t.attachment.write(new Uint8Array(100_000));
    const inputs = () => t.last().sent.filter((message) => message[0] === FRAME.input);
    expect([inputs().length, t.attachment.queuedInput]).toEqual([0, 100_000]);
    t.last().bufferedAmount = 0;
    t.timing.pass(20);
    expect(inputs().reduce((sum, message) => sum + message.length - 1, 0)).toBe(100_000);
    expect(inputs().every((message) => message.length <= 65_536)).toBe(true);
  });

  it("acknowledges in steps, and only what was drawn", () => {
    const t = attach();
    t.connect(0n, 0n, 0n);
    t.last().deliver(output(0n, new Uint8Array(60_000)));
    expect(typesSent(t.last())).not.toContain(FRAME.ack);
    t.last().deliver(output(60_000n, new Uint8Array(6_000)));
    const acks = t.last().sent.filter((message) => message[0] === FRAME.ack);
    expect(acks).toEqual([Uint8Array.of(...u64(FRAME.ack, 66_000n))]);
  });

  it("tells its size after every connect", () => {
    const t = attach();
    t.connect(0n, 0n, 0n);
    t.attachment.resize(100, 30);
    t.last().break();
    t.timing.pass(100);
    t.connect(0n, 0n, 0n);
    expect(t.last().sent[0]).toEqual(Uint8Array.of(FRAME.resize, 0, 100, 0, 30));
  });

  it("measures the latency and leaves a server that has gone silent", () => {
    const t = attach();
    t.connect(0n, 0n, 0n);
    const ping = t.last().sent.find((message) => message[0] === FRAME.ping) as Uint8Array;
    t.timing.pass(7);
    t.last().deliver(Uint8Array.of(FRAME.pong, ...ping.subarray(1)));
    expect(t.events).toEqual(["latency 7"]);
    t.timing.pass(10_000);
    expect(t.states.some(({ kind }) => kind === "waiting")).toBe(true);
  });

  it("gives a line that carries a large message slowly more time after each connection that it gave up", () => {
    const t = attach();
    const silences: number[] = [];
    for (let tries = 0; tries < 6; tries += 1) {
      t.connect(0n, 0n, 0n);
      const from = t.timing.now();
      const { length } = t.states;
      while (t.states.length === length) t.timing.pass(500);
      silences.push(t.timing.now() - from);
      t.timing.pass(5_000);
    }
    expect(silences).toEqual([7_500, 15_000, 30_000, 60_000, 60_000, 60_000]);
    t.connect(0n, 0n, 0n);
    const ping = t.last().sent.find((message) => message[0] === FRAME.ping) as Uint8Array;
    t.last().deliver(Uint8Array.of(FRAME.pong, ...ping.subarray(1)));
    const { length } = t.states;
    t.timing.pass(10_000);
    expect(t.states.length).toBeGreaterThan(length);
  });

  it("ends with the program", () => {
    const t = attach();
    t.connect(0n, 0n, 0n);
    t.last().deliver(Uint8Array.of(...u64(FRAME.exit, 0n), 0, 0, 0, 0, 3));
    expect(t.events).toEqual(["exit 3"]);
    expect(t.attachment.state).toEqual({ kind: "exited", exit: { code: 3, signal: null } });
    expect(t.timing.pending).toBe(0);
  });

  it.each([4401, 4404])("gives up after close code %i", (code) => {
    const t = attach();
    t.connect(0n, 0n, 0n);
    t.last().break(code, "stopped");
    t.timing.pass(60_000);
    expect(t.attachment.state).toEqual({ kind: "ended", code, reason: "stopped", error: null });
    expect(t.sockets.opened.length).toBe(1);
  });

  it.each(["closes it", "lets no other in"])(
    "keeps what is typed until another sign-in where the server %s",
    async (way) => {
      const diagnose = async () => (way === "closes it" ? null : new PlatformError("UNAUTHENTICATED", "expired"));
      const t = attach({ awaitsSignIn: true, diagnose });
      t.connect(0n, 0n, 0n, 0n);
      t.attachment.write(Uint8Array.of(1, 2));
      if (way === "closes it") t.last().break(4401, "expired");
      else {
        t.last().break(1006, "");
        t.timing.pass(10_000);
        t.last().break(1006, "");
        await new Promise((done) => setImmediate(done));
      }
      expect(t.attachment.state).toEqual({ kind: "signed-out" });
      const { length } = t.sockets.opened;
      expect(t.attachment.write(Uint8Array.of(3))).toBe(true);
      t.timing.pass(60_000);
      expect(t.sockets.opened.length).toBe(length);
      t.attachment.reconnectNow();
      t.connect(0n, 0n, 0n, 1n);
      expect(t.last().sent.filter(([type]) => type === FRAME.input)).toEqual([
        Uint8Array.of(FRAME.input, 2),
        Uint8Array.of(FRAME.input, 3),
      ]);
    },
  );

  it("asks why it was refused, and gives up for a reason that will not pass", async () => {
    const gone = new Error("no such terminal");
    const t = attach({ diagnose: async () => gone });
    t.last().break();
    await new Promise((done) => setImmediate(done));
    expect(t.attachment.state).toMatchObject({ kind: "ended", error: gone });
  });

  it("leaves no timer and no socket behind when closed", () => {
    for (const closeAfter of ["open", "ready", "break"]) {
      const t = attach();
      t.last().open();
      if (closeAfter !== "open") t.last().deliver(ready(0n, 0n, 0n));
      if (closeAfter === "break") t.last().break();
      t.attachment.close();
      t.attachment.close();
      expect([t.timing.pending, t.last().readyState, t.attachment.write(Uint8Array.of(1))]).toEqual([0, 3, false]);
    }
  });

  it("goes on at another connection after garbage", () => {
    const t = attach();
    t.connect(0n, 0n, 0n);
    t.last().deliver(Uint8Array.of(0xee, 1, 2));
    expect(t.sockets.opened[0]?.closedWith).toBe(4002);
    t.timing.pass(100);
    t.connect(0n, 0n, 0n);
    expect(t.attachment.state).toEqual({ kind: "connected" });
  });
});
