import type { Socket } from "node:net";
import { type ErrorCode, PlatformError } from "@microterm/protocol";
import { z } from "zod";
import { pause, withDeadline } from "../deadline.ts";
import { createLineSplitter } from "../lines.ts";
import { connectUnix } from "../unix-socket.ts";
import { ANSWERS, type HostAnswer, type HostCode, type HostVerb, Reply } from "./daemon-answers.ts";

/** How long a verb may take, ms: what it does to a disk or a process tree on a busy host, doubled. */
const DEADLINES: Record<HostVerb, number> = {
  hello: 5000,
  // It gives up after 120 s.
  settle: 130_000,
  "image.verify": 120_000,
  "image.import": 300_000,
  "image.list": 20_000,
  "image.remove": 60_000,
  "disk.create": 120_000,
  "disk.remove": 60_000,
  "machine.launch": 60_000,
  "machine.save": 300_000,
  "machine.kill": 60_000,
  "template.find": 20_000,
  "template.save": 300_000,
  "template.list": 20_000,
  "template.remove": 60_000,
  "save.list": 20_000,
  "save.remove": 60_000,
  list: 20_000,
  scan: 60_000,
  "machine.usage": 5000,
  // It waits 10 s for a VMM, after whatever else is being done to the machine.
  "machine.limit": 30_000,
  "machine.overhead": 5000,
  "network.status": 20_000,
  "network.list": 20_000,
  "network.attach": 30_000,
  "network.join": 20_000,
  "network.leave": 20_000,
  "network.policy": 20_000,
  "network.admit": 10_000,
  "network.denials": 10_000,
  "network.usage": 5000,
  "network.release": 60_000,
  "network.remove": 120_000,
  "host.resources": 5000,
  "jail.probe": 60_000,
};
/**
 * Whether a verb is sent again when its connection broke. A launch or a save that was cut off may have happened: repeating it would find
 * its own machine, or none.
 */
const IS_REPEATED: Record<HostVerb, boolean> = {
  hello: true,
  settle: true,
  "image.verify": true,
  "image.import": true,
  "image.list": true,
  "image.remove": true,
  "disk.create": true,
  "disk.remove": true,
  "machine.launch": false,
  "machine.save": false,
  "machine.kill": true,
  "machine.limit": true,
  "template.find": true,
  "template.save": false,
  "template.list": true,
  "template.remove": true,
  "save.list": true,
  "save.remove": true,
  list: true,
  scan: true,
  "machine.usage": true,
  "machine.overhead": true,
  "network.status": true,
  "network.list": true,
  "network.attach": true,
  "network.join": true,
  "network.leave": true,
  "network.policy": true,
  "network.admit": true,
  "network.denials": true,
  "network.usage": true,
  "network.release": true,
  "network.remove": true,
  "host.resources": true,
  "jail.probe": true,
};

/** The daemon's supervisor needs a moment to start the next one. */
const RECONNECT_MS = 3000;
const RECONNECT_STEP_MS = 50;
/** A list of thousands of machines; the daemon is trusted, its mistakes are still bounded. */
const MAX_LINE = 16 * 1024 * 1024;

const CODES: Record<HostCode, ErrorCode> = {
  "bad-request": "INTERNAL",
  denied: "HOST_DAEMON_UNAVAILABLE",
  "not-found": "NOT_FOUND",
  exists: "ENVIRONMENT_STATE",
  busy: "ENVIRONMENT_STATE",
  "no-space": "HOST_OUT_OF_DISK",
  "no-memory": "HOST_OUT_OF_MEMORY",
  "no-network": "UNSUPPORTED",
  "image-corrupt": "MACHINE_BOOT_FAILED",
  "snapshot-corrupt": "SNAPSHOT_CORRUPT",
  "snapshot-failed": "SNAPSHOT_FAILED",
  unsupported: "UNSUPPORTED",
  internal: "INTERNAL",
};

/** One call of the daemon that has ended. */
export interface DaemonCall {
  readonly verb: HostVerb;
  readonly ms: number;
  /** `ok`, the daemon's own code of its refusal, or `unavailable`. */
  readonly outcome: "ok" | "unavailable" | HostCode;
}

export interface DaemonConnectionOptions {
  readonly socketPath: string;
  /** Is told of each call that has ended. */
  readonly observe?: (call: DaemonCall) => void;
  /** The request that the present work is done for; the daemon names it in its log. */
  readonly requestId?: () => string | undefined;
}

interface Pending {
  resolve(value: Readonly<Record<string, unknown>>): void;
  reject(error: Error): void;
}

/** The connection was lost before the answer came. */
class ConnectionLost extends Error {
  override readonly name = "ConnectionLost";
}

const unavailable = (message: string, cause?: unknown): PlatformError =>
  new PlatformError("HOST_DAEMON_UNAVAILABLE", `microterm-host ${message}`, { cause });

/** The daemon's own refusal. */
class HostRefusal extends PlatformError {
  readonly hostCode: HostCode;

  constructor({ code, message }: { readonly code: HostCode; readonly message: string }) {
    super(CODES[code], `microterm-host: ${message}`);
    this.hostCode = code;
  }
}

/** The daemon's own code, of its refusal or of what was made of that; null where it refused nothing. */
export function hostCodeOf(error: unknown): HostCode | null {
  if (error instanceof HostRefusal) return error.hostCode;
  return error instanceof Error && error.cause !== undefined ? hostCodeOf(error.cause) : null;
}

/** One connection to microterm-host, made again when it is lost. Requests run at the same time and are matched by id. */
export class DaemonConnection {
  readonly #options: DaemonConnectionOptions;
  #socket: Promise<Socket> | undefined;
  #pending = new Map<number, Pending>();
  #lastId = 0;
  #isClosed = false;

  constructor(options: DaemonConnectionOptions) {
    this.#options = options;
  }

  async call<Verb extends HostVerb>(verb: Verb, args: Readonly<Record<string, unknown>>): Promise<HostAnswer<Verb>> {
    const { observe } = this.#options;
    if (observe === undefined) return this.#call(verb, args);
    const began = performance.now();
    const ended = (outcome: DaemonCall["outcome"]): void => observe({ verb, ms: performance.now() - began, outcome });
    try {
      const answer = await this.#call(verb, args);
      ended("ok");
      return answer;
    } catch (error) {
      ended(hostCodeOf(error) ?? "unavailable");
      throw error;
    }
  }

  async #call<Verb extends HostVerb>(verb: Verb, args: Readonly<Record<string, unknown>>): Promise<HostAnswer<Verb>> {
    let answer: Readonly<Record<string, unknown>>;
    try {
      answer = await this.#once(verb, args);
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error;
      if (!IS_REPEATED[verb]) throw unavailable(`went away during ${verb}`, error);
      answer = await this.#once(verb, args).catch((again: unknown) => {
        throw again instanceof ConnectionLost ? unavailable(`went away during ${verb}, twice`, again) : again;
      });
    }
    const parsed = ANSWERS[verb].safeParse(answer);
    if (!parsed.success) {
      throw new PlatformError("INTERNAL", `microterm-host answered ${verb} wrongly: ${z.prettifyError(parsed.error)}`);
    }
    return parsed.data as HostAnswer<Verb>;
  }

  close(): void {
    this.#isClosed = true;
    void this.#socket?.then(
      (socket) => socket.destroy(),
      () => {},
    );
  }

  async #once(verb: HostVerb, args: Readonly<Record<string, unknown>>): Promise<Readonly<Record<string, unknown>>> {
    if (this.#isClosed) throw unavailable("was asked after its client was closed");
    this.#socket ??= this.#connect();
    const socket = await this.#socket;
    this.#lastId += 1;
    const id = this.#lastId;
    const answer = new Promise<Readonly<Record<string, unknown>>>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
    });
    socket.ref();
    const request = this.#options.requestId?.();
    socket.write(`${JSON.stringify({ id, verb, args, ...(request === undefined ? {} : { request }) })}\n`);
    const timeoutMs = DEADLINES[verb];
    return withDeadline(answer, { timeoutMs }, (ms) => unavailable(`did not answer ${verb} within ${ms} ms`)).finally(
      () => {
        this.#pending.delete(id);
        // An idle connection keeps no process alive.
        if (this.#pending.size === 0) socket.unref();
      },
    );
  }

  async #connect(): Promise<Socket> {
    const until = Date.now() + RECONNECT_MS;
    for (;;) {
      try {
        const socket = await connectUnix(this.#options.socketPath, { timeoutMs: RECONNECT_MS });
        this.#listen(socket);
        return socket;
      } catch (error) {
        if (Date.now() >= until || this.#isClosed) {
          this.#socket = undefined;
          throw unavailable(`cannot be reached at ${this.#options.socketPath}`, error);
        }
        await pause(RECONNECT_STEP_MS);
      }
    }
  }

  #listen(socket: Socket): void {
    const split = createLineSplitter(MAX_LINE, (line) => this.#received(line));
    const lost = (why: string): void => {
      this.#socket = undefined;
      const pending = [...this.#pending.values()];
      this.#pending.clear();
      for (const call of pending) call.reject(new ConnectionLost(why));
    };
    socket.on("data", (chunk: Buffer) => {
      try {
        split(chunk);
      } catch (error) {
        socket.destroy(error as Error);
      }
    });
    socket.on("error", () => {});
    socket.on("close", () => lost("the connection was lost"));
  }

  #received(line: string): void {
    const reply = Reply.parse(JSON.parse(line));
    if (reply.id === null) {
      // It answers no request: the daemon turns the connection away, and closes it.
      const refusal = "error" in reply ? new HostRefusal(reply.error) : new Error("an answer without an id");
      const pending = [...this.#pending.values()];
      this.#pending.clear();
      for (const call of pending) call.reject(refusal);
      return;
    }
    const call = this.#pending.get(reply.id);
    // Its deadline has passed.
    if (call === undefined) return;
    if ("ok" in reply) call.resolve(reply.ok);
    else call.reject(new HostRefusal(reply.error));
  }
}
