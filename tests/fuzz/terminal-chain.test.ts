/** Whatever an agent sends as a terminal's output, from the channel to the clients: it ends that terminal at worst, and no exception does. */
import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import { join } from "node:path";
import { AgentLink } from "@microterm/agent-client";
import type { GuestTerminal } from "@microterm/core";
import type { TerminalId } from "@microterm/protocol";
import { contentOf, FRAME } from "@microterm/protocol";
import fc from "fast-check";
import { expect, it, onTestFinished } from "vitest";
import { encodeFrame } from "../../packages/agent-client/src/channel/frame-encoder.ts";
import { connectUnix } from "../../packages/host/src/unix-socket.ts";
import type { ClientSocket } from "../../packages/server/src/terminal/clients/client-socket.ts";
import { HubClient } from "../../packages/server/src/terminal/clients/hub-client.ts";
import { TerminalHub } from "../../packages/server/src/terminal/hub/hub.ts";
import { createModelHost, type ModelHost } from "../../packages/server/src/terminal/screen/model-host.ts";
import { createPrintingAgent } from "../../support/printing-agent.ts";
import { makeTempFolder } from "../../support/temp-folder.ts";
import { SECONDS } from "./budget.ts";

const U64 = 2n ** 64n - 1n;
const SAFE = 2n ** 53n - 1n;
const HELLO = {
  protocol: 2,
  agent: "0.1.0",
  bootId: "11111111-1111-4111-8111-111111111111",
  uptimeMs: 1,
  sealed: false,
};

/** What a frame says, at an offset that follows from the ones before, or at any other. */
type Step =
  | { readonly kind: "output"; readonly text: string }
  | { readonly kind: "jump"; readonly to: bigint }
  | { readonly kind: "size"; readonly cols: number; readonly rows: number }
  | { readonly kind: "exit"; readonly how: number; readonly value: number }
  | { readonly kind: "raw"; readonly type: number; readonly payload: Uint8Array };

const text = fc.oneof(
  fc.constantFrom(
    "\x07",
    "x\x07y",
    "\x1b]0;t\x07",
    "\x1b]7;file:///a\x1b\\",
    "\x1b[c",
    "\x1b[6n",
    "\x1b]133;A\x07",
    "\x1b[?1049h",
    "\x1bc",
  ),
  fc.string({ unit: "binary", maxLength: 40 }),
);
const offset = fc.oneof(
  fc.constantFrom(0n, 1n, 2n ** 31n, 2n ** 32n, SAFE - 2n, SAFE - 1n, SAFE, SAFE + 1n, 2n ** 63n, U64 - 1n, U64),
  fc.bigInt({ min: 0n, max: U64 }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("output" as const), text }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("jump" as const), to: offset }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("size" as const), cols: fc.nat(1001), rows: fc.nat(1001) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("exit" as const), how: fc.nat(2), value: fc.nat(300) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("raw" as const),
      type: fc.nat(6),
      payload: fc.uint8Array({ maxLength: 20 }),
    }),
  },
);

function bytesOf(steps: readonly Step[]): Buffer {
  let at = 0n;
  const u64 = (value: bigint): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(BigInt.asUintN(64, value));
    return bytes;
  };
  const size = (cols: number, rows: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt16BE(cols, 0);
    bytes.writeUInt16BE(rows, 2);
    return encodeFrame(FRAME.resized, Buffer.concat([u64(at), bytes]));
  };
  const frames = steps.map((one): Buffer => {
    if (one.kind === "raw") return encodeFrame(one.type, one.payload);
    if (one.kind === "size") return size(one.cols, one.rows);
    if (one.kind === "exit") {
      const how = Buffer.alloc(5);
      how[0] = one.how;
      how.writeUInt32BE(one.value, 1);
      return encodeFrame(FRAME.exit, Buffer.concat([u64(at), how]));
    }
    const from = at;
    if (one.kind === "jump") {
      at = one.to;
      return encodeFrame(FRAME.gap, Buffer.concat([u64(from), u64(at)]));
    }
    const output = Buffer.from(one.text, "latin1");
    at += BigInt(output.length);
    return encodeFrame(FRAME.output, Buffer.concat([u64(from), output]));
  });
  return Buffer.concat([size(80, 24), ...frames]);
}

/** A real agent's HTTP/2, whose one terminal prints `output` once and is gone then. */
async function hostileAgent(folder: string) {
  const server: Http2Server = createServer();
  const sessions = new Set<ServerHttp2Session>();
  let output: readonly Buffer[] | null = null;
  server.on("session", (session) => sessions.add(session));
  server.on("stream", (stream: ServerHttp2Stream, headers) => {
    stream.on("error", () => undefined);
    const path = `${headers[":path"]}`;
    const json = (value: unknown): void => {
      stream.respond({ ":status": 200 });
      stream.end(JSON.stringify(value));
    };
    if (path.startsWith("/v1/hello")) return json(HELLO);
    if (!path.includes("/attach")) return json({ terminals: [] });
    stream.respond({ ":status": 200 });
    for (const piece of output ?? []) stream.write(piece);
    output = null;
    stream.end();
  });
  const path = join(folder, "agent.sock");
  await new Promise<void>((resolve) => server.listen(path, () => resolve()));
  const link = new AgentLink({ open: (limits) => connectUnix(path, limits) });
  onTestFinished(() => {
    link.end("the test is over");
    for (const session of sessions) session.destroy();
    server.close();
  });
  return {
    agent: () => link.agent({ timeoutMs: 30_000 }),
    say: (pieces: readonly Buffer[]) => {
      output = pieces;
    },
  };
}

/** One that takes everything, acknowledges what it likes, and holds the server to offsets without a hole. */
function client(hub: TerminalHub, agent: HubSource["agent"], from: bigint | undefined): void {
  let handlers: Parameters<ClientSocket["receive"]>[0] | null = null;
  let at: bigint | null = null;
  const socket: Pick<ClientSocket, "isCongested" | "isOpen" | "send" | "receive" | "pause" | "resume" | "close"> = {
    isCongested: false,
    isOpen: true,
    receive(given) {
      handlers = given;
    },
    send(frame) {
      if (frame[0] === FRAME.keyframe) at = frame.readBigUInt64BE(1);
      if (frame[0] !== FRAME.output && frame[0] !== FRAME.gap) return;
      expect(at ?? frame.readBigUInt64BE(1)).toBe(frame.readBigUInt64BE(1));
      at = frame[0] === FRAME.gap ? frame.readBigUInt64BE(9) : frame.readBigUInt64BE(1) + BigInt(frame.length - 9);
      const ack = Buffer.alloc(9);
      ack[0] = FRAME.ack;
      ack.writeBigUInt64BE(at, 1);
      setImmediate(() => handlers?.message(ack));
    },
    pause: () => undefined,
    resume: () => undefined,
    close: () => setImmediate(() => handlers?.closed()),
  };
  const source = { log: hub.log, terminal: TERMINAL.id, agent, broke: hub.broke };
  const rest = { terminal: TERMINAL.id, start: 0n, end: hub.log.end, role: "owner" as const, input: undefined };
  const alone = { seat: null, isTold: false, shared: null };
  new HubClient({ socket: socket as ClientSocket, hub, source, from, ...rest, ...alone });
}
type HubSource = ConstructorParameters<typeof HubClient>[0]["source"];

const TERMINAL: GuestTerminal = {
  id: "main" as TerminalId,
  cols: 80,
  rows: 24,
  startOffset: 0n,
  endOffset: 0n,
  createdUnixMs: 1,
  exit: null,
};

/** Resolves when the hub is over. */
async function opened(models: ModelHost, path: string, agent: HubSource["agent"], terminal = TERMINAL) {
  const over = Promise.withResolvers<void>();
  const faults: unknown[] = [];
  const hub = await TerminalHub.open({
    totals: { clients: 0, outputBytes: 0, inputBytes: 0 },
    scrollback: 1000,
    terminal,
    agent,
    models,
    path,
    isEnvironmentPaused: async () => false,
    onChange: () => () => undefined,
    onInput: () => undefined,
    broke: (error) => faults.push(error),
    onOver: over.resolve,
  });
  return { hub, faults, over: over.promise };
}

it(
  "throws nothing anywhere, and a terminal beside it prints on",
  async () => {
    const folder = await makeTempFolder();
    const deaths: string[] = [];
    const models = createModelHost({ error: (_, message) => deaths.push(message) });
    const agent = await hostileAgent(folder.path);
    const neighbour = createPrintingAgent("beside");
    const beside = await opened(models, join(folder.path, "beside.json"), neighbour.agent, neighbour.terminal);
    await expect.poll(() => neighbour.events()).toBeDefined();
    onTestFinished(async () => {
      beside.hub.close({ code: 1000, reason: "" }, false);
      await models.stop();
      await folder.remove();
    });
    let runs = 0;
    const cuts = fc.array(fc.nat(200), { maxLength: 10 });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), cuts, fc.boolean(), async (steps, at, isNew) => {
        const bytes = bytesOf(steps);
        const borders = [0, ...[...at].sort((a, b) => a - b), bytes.length];
        agent.say(borders.slice(1).map((end, i) => bytes.subarray(borders[i], end)));
        const { hub, faults, over } = await opened(models, join(folder.path, "hostile.json"), agent.agent);
        client(hub, agent.agent, isNew ? undefined : 0n);
        client(hub, agent.agent, undefined);
        await over;
        runs += 1;
        neighbour.print(`\x1b[2J\x1b[Hrun ${runs}.`);
        const { frame } = await beside.hub.keyframe(beside.hub.log.end);
        expect(contentOf(frame).toString()).toContain(`run ${runs}.`);
        expect([faults, beside.faults, deaths]).toEqual([[], [], []]);
      }),
      { numRuns: Number.MAX_SAFE_INTEGER, interruptAfterTimeLimit: SECONDS * 1000, markInterruptAsFailure: false },
    );
    expect(runs).toBeGreaterThan(5);
  },
  (SECONDS + 120) * 1000,
);
