import type {
  Abortable,
  AgentHello,
  AttachOptions,
  ExecEvents,
  ExecStream,
  GuestAgent,
  GuestNetwork,
  GuestTerminal,
  InputEvents,
  InputStream,
  TerminalStream,
} from "@microterm/core";
import type { Limits } from "@microterm/host";
import {
  type ExecRequest,
  FRAME,
  MAX_FRAME_PAYLOAD,
  PlatformError,
  startPieces,
  type TerminalId,
} from "@microterm/protocol";
import { AgentMetrics, AgentTerminal, AgentTerminals, Hello, Identified, Nothing } from "./agent-answers.ts";
import { refusalOf, type Subject } from "./agent-errors.ts";
import { createAgentFiles } from "./agent-files.ts";
import { createAgentPorts } from "./agent-ports.ts";
import { drain } from "./byte-bodies.ts";
import {
  type AgentCall,
  AgentRefusal,
  answerWithin,
  callJson,
  guestProtocol,
  guestUnreachable,
  startCall,
} from "./channel/agent-call.ts";
import { ATTACH_FRAMES, EXEC_FRAMES, INPUT_FRAMES } from "./channel/frame-decoder.ts";
import { encodeFrame } from "./channel/frame-encoder.ts";
import { FrameStream } from "./channel/frame-stream.ts";
import { cancelStream, type GuestSession } from "./channel/guest-session.ts";
import { ExecReader, InputReader, TerminalReader } from "./frame-readers.ts";
import { createExecStream, createTerminalStream } from "./guest-streams.ts";
import { serveNames } from "./name-stream.ts";

/** The newest version of docs/reference/agent-protocol.md that is spoken here. */
const PROTOCOL = 5;
/** The first one with an interface and names. */
const WITH_NETWORK = 4;
/** The first one that knows which of several servers holds it. */
const WITH_HOLDERS = 5;
/** A guest under TCG on a loaded host answers within a second or two; a call that takes longer is lost. */
const CALL_MS = 15_000;
/** A seal waits up to 10 s for programs to end, and then for the disk. */
const SEAL_MS = 60_000;

type Call = Omit<AgentCall, "timeoutMs">;

/**
 * Shakes hands with the agent behind a session, as the holder of an epoch: sessions of lower ones end. An older agent, which does not know of holders,
 * serves both. Rejects with `GUEST_PROTOCOL` when it speaks another version, with `GUEST_UNREACHABLE` where a later holder has the machine.
 */
export async function connectAgent(
  session: GuestSession,
  { epoch = 0, ...limits }: Limits & { readonly epoch?: number },
): Promise<GuestAgent> {
  const hello = await callJson(session, { method: "GET", path: "/v1/hello", ...limits }, Hello);
  if (hello.sealed === null) throw guestProtocol(`speaks protocol ${hello.protocol}, not ${PROTOCOL} or an older one`);
  const { protocol, agent, bootId, sealed } = hello;
  if (epoch > 0 && protocol >= WITH_HOLDERS) {
    const call = { method: "POST", path: "/v1/hold", json: { epoch }, ...limits } as const;
    await callJson(session, call, Nothing).catch((error: unknown) => {
      throw refusalOf(error, "guest");
    });
  }
  return createAgent(session, { protocol, agent, bootId, isSealed: sealed });
}

function createAgent(session: GuestSession, handshake: AgentHello): GuestAgent {
  let hello = handshake;
  const ask = async <T>(
    subject: Subject,
    call: Call,
    schema: Parameters<typeof callJson<T>>[2],
    timeoutMs = CALL_MS,
  ): Promise<T> => {
    try {
      return await callJson(session, { ...call, timeoutMs }, schema);
    } catch (error) {
      throw refusalOf(error, subject);
    }
  };
  const terminals = async (options?: Abortable): Promise<readonly GuestTerminal[]> => {
    const call = { method: "GET", path: "/v1/terminals", signal: options?.signal } as const;
    return (await ask("guest", call, AgentTerminals)).terminals.map(toTerminal);
  };

  const requireProtocol = (least: number, path: string): void => {
    if (hello.protocol >= least) return;
    throw new PlatformError(
      "UNSUPPORTED",
      `the guest's agent speaks protocol ${hello.protocol}, which has no ${path}: stop and start the environment`,
    );
  };
  const post = async (path: string, json: object | undefined, options?: Abortable, timeoutMs?: number) => {
    requireProtocol(2, path);
    const call = { method: "POST", path, ...(json === undefined ? {} : { json }), signal: options?.signal } as const;
    await ask("guest", call, Nothing, timeoutMs);
  };
  /** Up to protocol 3 a guest has its loopback alone, and its agent refuses keys that it does not know. */
  const networkOf = ({ interface: given }: GuestNetwork): { network?: GuestNetwork["interface"] } => {
    if (hello.protocol >= WITH_NETWORK) return { network: given };
    if (given === null) return {};
    throw new PlatformError("UNSUPPORTED", `the guest's agent cannot set up the interface ${given.name}`);
  };

  return {
    get hello() {
      return hello;
    },
    closed: session.closed,
    ...createAgentFiles(session, hello.protocol),
    ...createAgentPorts(session, hello.protocol),
    terminals,
    async identify({ interface: given, ...identity }, options) {
      const network = networkOf({ interface: given });
      const json = { ...identity, ...network, seed: Buffer.from(identity.seed).toString("base64") };
      const call = { method: "POST", path: "/v1/identity", json, signal: options?.signal } as const;
      const { bootId } = await ask("guest", call, Identified);
      hello = { ...hello, bootId, isSealed: false };
      return { bootId };
    },
    async seal(options) {
      await post("/v1/seal", undefined, options, SEAL_MS);
      hello = { ...hello, isSealed: true };
    },
    async wake({ timeUnixMs, seed, ...network }, options) {
      const json = { timeUnixMs, seed: Buffer.from(seed).toString("base64"), ...networkOf(network) };
      await post("/v1/wake", json, options);
    },
    async claim({ environment, ...network }, options) {
      await post("/v1/claim", { environment, ...networkOf(network) }, options);
    },
    async setNetwork(network, options) {
      const [path, json] = ["/v1/network", networkOf(network)] as const;
      requireProtocol(WITH_NETWORK, path);
      await ask("guest", { method: "PUT", path, json, signal: options?.signal }, Nothing);
    },
    async names(answer, options) {
      requireProtocol(WITH_NETWORK, "/v1/names");
      await serveNames(session, answer, { timeoutMs: CALL_MS, signal: options?.signal }).catch((error: unknown) => {
        throw refusalOf(error, "guest");
      });
    },
    async openTerminal(spec, options) {
      const call = { method: "POST", path: "/v1/terminals", json: spec, signal: options?.signal } as const;
      return toTerminal(await ask("terminal", call, AgentTerminal));
    },
    async closeTerminal(id, options) {
      const call = { method: "DELETE", path: `/v1/terminals/${id}`, signal: options?.signal } as const;
      await ask("terminal", call, Nothing).catch((error: unknown) => {
        if (!(error instanceof PlatformError && error.code === "TERMINAL_NOT_FOUND")) throw error;
      });
    },
    attach: (id, options) =>
      attach(session, id, options).catch(async (error: unknown) => {
        throw await explainAttach(error, id, () => terminals(options));
      }),
    type: (id, events, options) =>
      type(session, id, events, options).catch((error: unknown) => {
        throw refusalOf(error, "terminal");
      }),
    exec: (request, events, options) =>
      exec(session, hello.protocol, { request, events, ...options }).catch((error: unknown) => {
        throw refusalOf(error, "guest");
      }),
    ping: () =>
      session.ping().catch((error: unknown) => {
        throw guestUnreachable("the connection to the guest has ended", error);
      }),
    metrics: (options) => ask("guest", { method: "GET", path: "/v1/metrics", signal: options?.signal }, AgentMetrics),
    async powerOff(options) {
      const json = { action: "poweroff" };
      await ask("guest", { method: "POST", path: "/v1/power", json, signal: options?.signal }, Nothing);
    },
    close: () => session.destroy(),
  };
}

async function attach(session: GuestSession, id: TerminalId, options: AttachOptions): Promise<TerminalStream> {
  const { stream, answer } = startCall(session, {
    method: "POST",
    path: `/v1/terminals/${id}/attach`,
    query: { from: options.from?.toString() },
    isStreaming: true,
    ...limitsOf(options),
  });
  await answerWithin(session, stream, answer, limitsOf(options));
  return createTerminalStream(new FrameStream(stream, ATTACH_FRAMES, new TerminalReader(options.events, options.from)));
}

async function type(
  session: GuestSession,
  id: TerminalId,
  events: InputEvents,
  options: Abortable = {},
): Promise<InputStream> {
  const path = `/v1/terminals/${id}/input`;
  const { stream, answer } = startCall(session, { method: "POST", path, isStreaming: true, ...limitsOf(options) });
  await answerWithin(session, stream, answer, limitsOf(options));
  return createTerminalStream(new FrameStream(stream, INPUT_FRAMES, new InputReader(events)));
}

/** The refusal of an attach for its caller: with what the ring holds, where the offset was wrong. */
async function explainAttach(
  error: unknown,
  id: TerminalId,
  terminals: () => Promise<readonly GuestTerminal[]>,
): Promise<unknown> {
  if (!(error instanceof AgentRefusal) || error.code !== "offset-out-of-range") return refusalOf(error, "terminal");
  const terminal = (await terminals()).find((candidate) => candidate.id === id);
  if (terminal === undefined) return new PlatformError("TERMINAL_NOT_FOUND", `there is no terminal ${id}`);
  return new PlatformError("BAD_REQUEST", "the offset is past the terminal's end", {
    cause: error,
    details: { start: terminal.startOffset.toString(), end: terminal.endOffset.toString() },
  });
}

interface ExecCall extends Abortable {
  readonly request: ExecRequest;
  readonly events: ExecEvents;
}

async function exec(
  session: GuestSession,
  protocol: number,
  { request, events, ...options }: ExecCall,
): Promise<ExecStream> {
  const start = Buffer.from(JSON.stringify(request));
  if (protocol < 3 && start.length > MAX_FRAME_PAYLOAD) {
    throw new PlatformError(
      "UNSUPPORTED",
      `the guest's agent is of an older version, which takes 65,536 bytes of JSON for a command, not ${start.length}: stop and start the environment`,
    );
  }
  const call = { method: "POST", path: "/v1/exec", isStreaming: true, ...limitsOf(options) } as const;
  const { stream, answer } = startCall(session, call);
  const sendStart = async () => {
    for (const piece of protocol < 3 ? [start] : startPieces(start)) {
      if (!stream.write(encodeFrame(FRAME.start, piece))) await drain(stream);
    }
  };
  try {
    await Promise.all([answerWithin(session, stream, answer, call), sendStart()]);
  } catch (error) {
    cancelStream(stream);
    throw error;
  }
  return createExecStream(new FrameStream(stream, EXEC_FRAMES, new ExecReader(events)));
}

const limitsOf = (options: Abortable): Limits => ({ timeoutMs: CALL_MS, signal: options.signal });

const toTerminal = (terminal: AgentTerminal): GuestTerminal => ({
  id: terminal.id as TerminalId,
  cols: terminal.cols,
  rows: terminal.rows,
  startOffset: BigInt(terminal.startOffset),
  endOffset: BigInt(terminal.endOffset),
  createdUnixMs: terminal.createdUnixMs,
  exit: terminal.exit === null ? null : { code: null, signal: null, ...terminal.exit },
});
