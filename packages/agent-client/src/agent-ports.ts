import { StringDecoder } from "node:string_decoder";
import type { Abortable, GuestAgent, PortEvents } from "@microterm/core";
import { PlatformError } from "@microterm/protocol";
import { AgentPorts } from "./agent-answers.ts";
import { refusalOf } from "./agent-errors.ts";
import {
  type AgentCall,
  answerWithin,
  guestProtocol,
  guestUnreachable,
  openCall,
  startCall,
} from "./channel/agent-call.ts";
import { cancelStream, type GuestSession } from "./channel/guest-session.ts";
import { createGuestConnection } from "./guest-connection.ts";

/** The agent gives a connection up after 5 s for each of its two addresses. */
const CALL_MS = 15_000;
/** As many as the agent lets in (`rust/agent/src/limits.rs`). */
const MAX_CONNECTIONS = 64;
/** Streams that connections leave free, for terminals. */
const SPARED_STREAMS = 16;
/** 256 ports of five digits are a sixth of this. */
const MAX_LINE = 8192;

/** The calls about a guest's ports. Protocol 4. */
export function createAgentPorts(session: GuestSession, protocol: number): Pick<GuestAgent, "watchPorts" | "connect"> {
  let connections = 0;
  const requireProtocol = (): void => {
    if (protocol >= 4) return;
    throw new PlatformError(
      "UNSUPPORTED",
      "the guest's agent is of an older version, which cannot reach ports: stop and start the environment",
    );
  };
  return {
    async watchPorts(events, options = {}) {
      requireProtocol();
      const call = { method: "GET", path: "/v1/ports", timeoutMs: CALL_MS, signal: options.signal } as const;
      const { stream } = await refused(openCall(session, call));
      return followLines(stream, events);
    },

    async connect(port, events, options: Abortable = {}) {
      requireProtocol();
      if (connections >= MAX_CONNECTIONS) {
        throw new PlatformError("TOO_MANY", `${connections} connections to this guest's ports are open already`);
      }
      const call: AgentCall = {
        ...{ method: "POST", path: "/v1/connect", query: { port: String(port) } },
        ...{ isStreaming: true, sparedStreams: SPARED_STREAMS, timeoutMs: CALL_MS, signal: options.signal },
      };
      const { stream, answer } = startCall(session, call);
      connections += 1;
      stream.once("close", () => {
        connections -= 1;
      });
      await refused(answerWithin(session, stream, answer, call));
      return createGuestConnection(stream, events);
    },
  };
}

const refused = <T>(answer: Promise<T>): Promise<T> =>
  answer.catch((error: unknown) => {
    throw refusalOf(error, "guest");
  });

type Stream = Awaited<ReturnType<typeof openCall>>["stream"];

function followLines(stream: Stream, events: PortEvents): { close(): void } {
  const decoder = new StringDecoder("utf8");
  let text = "";
  let isOver = false;
  const finish = (error?: Error): void => {
    if (isOver) return;
    isOver = true;
    cancelStream(stream);
    events.closed(error);
  };
  stream.on("data", (bytes: Buffer) => {
    if (isOver) return;
    text += decoder.write(bytes);
    try {
      for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n")) {
        const line = text.slice(0, end);
        text = text.slice(end + 1);
        events.ports(parseLine(line));
      }
      if (text.length > MAX_LINE) throw guestProtocol(`sent a line of more than ${MAX_LINE} bytes`);
    } catch (error) {
      finish(error as Error);
    }
  });
  stream.once("error", (error) => finish(guestUnreachable("the connection to the guest broke", error)));
  stream.once("close", () => finish(guestUnreachable("the guest ended the stream")));
  return {
    close() {
      isOver = true;
      cancelStream(stream);
    },
  };
}

function parseLine(line: string): AgentPorts {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch (error) {
    throw guestProtocol("sent JSON that cannot be parsed", error);
  }
  const parsed = AgentPorts.safeParse(json);
  if (!parsed.success) throw guestProtocol("sent an invalid list of ports");
  return parsed.data;
}
