import type { ExecEvents, ExecStream, GuestAgent } from "@microterm/core";
import {
  decodeExecClientFrame,
  decodeStartPiece,
  ExecRequest,
  FrameError,
  MAX_FRAME_PAYLOAD,
  MAX_START_BYTES,
  PlatformError,
  tooLongToRun,
} from "@microterm/protocol";
import { CLOSE } from "../../auth/live-connections.ts";
import { parseOrBadRequest } from "../../http/problem.ts";
import type { ExecOutcome } from "../../telemetry/exec-log.ts";
import type { ClientSocket } from "../clients/client-socket.ts";
import { execFrames } from "../clients/frames.ts";

/** A client that has connected says what to run at once. */
const START_DEADLINE_MS = 10_000;

/** RFC 6455, 7.4.1: the endpoint met a condition that prevents it from fulfilling the request. */
const CLOSE_BROKEN = 1011;

export interface ExecSessionOptions {
  readonly client: ClientSocket;
  readonly agent: () => Promise<GuestAgent>;
  /** Called once, before the program is run, which it is where this resolves. */
  begin(command: readonly string[]): Promise<unknown>;
  /** Called once, when the client's connection has ended. */
  ended(outcome: ExecOutcome): void;
}

/** One program run for one client over a WebSocket. When either side goes, so does the program. */
export class ExecSession {
  readonly #client: ClientSocket;
  readonly #agent: () => Promise<GuestAgent>;
  readonly #begin: (command: readonly string[]) => Promise<unknown>;
  readonly #ended: (outcome: ExecOutcome) => void;
  readonly #deadline: NodeJS.Timeout;
  readonly #abort = new AbortController();
  #state: "idle" | "starting" | "running" | "over" = "idle";
  #stream: ExecStream | null = null;
  #waiting: Buffer[] = [];
  #startPieces: Uint8Array[] = [];
  #startBytes = 0;
  #outcome: ExecOutcome = "disconnected";

  constructor({ client, agent, begin, ended }: ExecSessionOptions) {
    this.#client = client;
    this.#begin = begin;
    this.#ended = ended;
    this.#agent = agent;
    this.#deadline = setTimeout(() => client.close(CLOSE.protocolError, "no START came"), START_DEADLINE_MS);
    this.#deadline.unref();
    client.receive({
      message: (message) => this.#message(message),
      drained: () => this.#stream?.resume(),
      closed: () => this.#end(),
    });
  }

  #message(message: Buffer): void {
    if (this.#state === "idle") {
      this.#startPiece(decodeStartPiece(message));
    } else if (this.#stream === null) {
      this.#waiting.push(message);
      this.#client.pause();
    } else {
      this.#forward(this.#stream, message);
    }
  }

  /** A full frame is continued by the next one. */
  #startPiece(piece: Uint8Array): void {
    this.#startPieces.push(piece);
    this.#startBytes += piece.length;
    if (this.#startBytes > MAX_START_BYTES) throw new FrameError(`START is larger than ${MAX_START_BYTES} bytes`);
    this.#deadline.refresh();
    if (piece.length === MAX_FRAME_PAYLOAD) return;
    this.#state = "starting";
    clearTimeout(this.#deadline);
    const json = Buffer.concat(this.#startPieces);
    this.#startPieces = [];
    const request = parseOrBadRequest(ExecRequest, parseJson(json));
    const tooLong = tooLongToRun(request);
    if (tooLong !== null) this.#finish(execFrames.failed(tooLong), "not-started");
    else this.#start(request).catch((error: unknown) => this.#broke(error));
  }

  async #start(request: ExecRequest): Promise<void> {
    await this.#begin(request.command);
    const agent = await this.#agent();
    const stream = await agent.exec(request, this.#events(), { signal: this.#abort.signal });
    if (this.#abort.signal.aborted) {
      stream.close();
      return;
    }
    this.#stream = stream;
    if (this.#state === "starting") this.#state = "running";
    if (this.#client.isCongested) stream.pause();
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#client.resume();
    try {
      for (const message of waiting) this.#forward(stream, message);
    } catch (error) {
      this.#client.close(CLOSE.protocolError, error instanceof Error ? error.message : "protocol error");
    }
  }

  #forward(stream: ExecStream, message: Buffer): void {
    const frame = decodeExecClientFrame(message);
    switch (frame.type) {
      case "input":
        if (stream.write(frame.bytes)) return;
        this.#client.pause();
        void stream.drained().finally(() => this.#client.resume());
        return;
      case "stdinEof":
        stream.endInput();
        return;
      case "signal":
        stream.signal(frame.signal);
        return;
      case "resize":
        stream.resize(frame.cols, frame.rows);
    }
  }

  #events(): ExecEvents {
    const output = (encode: (bytes: Uint8Array) => Buffer) => (bytes: Uint8Array) => {
      this.#client.send(encode(bytes));
      if (this.#client.isCongested) this.#stream?.pause();
    };
    return {
      started: (pid) => this.#client.send(execFrames.started(pid)),
      stdout: output(execFrames.stdout),
      stderr: output(execFrames.stderr),
      exited: (exit) => this.#finish(execFrames.exited(exit), "exited"),
      failed: (failure) => this.#finish(execFrames.failed(failure), "not-started"),
      closed: (error) => this.#broke(error),
    };
  }

  #finish(lastFrame: Buffer, outcome: ExecOutcome): void {
    this.#state = "over";
    this.#outcome = outcome;
    this.#client.send(lastFrame);
    this.#client.close(CLOSE.normal, "the program ended");
  }

  #broke(error: unknown): void {
    if (this.#state === "over") return;
    const isGone =
      error instanceof PlatformError && ["ENVIRONMENT_STATE", "ENVIRONMENT_NOT_FOUND"].includes(error.code);
    const reason = error instanceof Error ? error.message : "the guest's stream ended";
    this.#client.close(isGone ? CLOSE.environmentGone : CLOSE_BROKEN, reason);
  }

  #end(): void {
    this.#state = "over";
    clearTimeout(this.#deadline);
    this.#abort.abort(new Error("the client went away"));
    this.#stream?.close();
    this.#waiting = [];
    this.#startPieces = [];
    this.#ended(this.#outcome);
  }
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    throw new FrameError("START is not JSON");
  }
}
