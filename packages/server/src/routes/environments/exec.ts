import type { ExecStream, GuestAgent } from "@microterm/core";
import {
  ExecFailure,
  ExecRequest,
  MAX_START_BYTES,
  PlatformError,
  TerminalExit,
  tooLongToRun,
} from "@microterm/protocol";
import { z } from "zod";
import { requestSignal } from "../../http/request-signal.ts";
import type { App, Services } from "../../services.ts";
import { type ExecOutcome, logExec } from "../../telemetry/exec-log.ts";
import { EnvironmentParams, problems } from "../schemas.ts";

/** Of each stream. What a program prints beyond it is read, so that it can end, and dropped. */
const MAX_OUTPUT_BYTES = 1024 * 1024;
const SIGKILL = 9;
/** A killed program's end and last words, which the agent sends within a second. */
const KILLED_MS = 2_500;

const ExecCall = ExecRequest.omit({ tty: true }).extend({
  /** Text for the program's standard input, which then ends. */
  stdin: z.string().optional(),
  timeoutMs: z.number().int().min(1).max(600_000).default(60_000),
});
type ExecCall = z.infer<typeof ExecCall>;

const ExecResult = z.union([
  z.strictObject({
    /** Null: it was killed at its deadline, and the guest has not reported its end. */
    exit: TerminalExit.nullable(),
    stdout: z.string(),
    stderr: z.string(),
    truncated: z.boolean(),
    /** It had not ended after `timeoutMs` and was killed; what it had printed by then is there. */
    timedOut: z.boolean(),
  }),
  z.strictObject({ failure: ExecFailure }),
]);
type ExecResult = z.infer<typeof ExecResult>;

export function execRoutes(app: App, { environments, audit, requests }: Services): void {
  app.post(
    "/v1/environments/:env/exec",
    {
      bodyLimit: MAX_START_BYTES,
      schema: {
        tags: ["exec"],
        summary: "Run a program to its end and return what it printed",
        params: EnvironmentParams,
        body: ExecCall,
        response: { 200: ExecResult, ...problems },
      },
    },
    async (request, reply) => {
      const { actor } = request.identity;
      const detail = audit.program(request.body.command);
      const act = await environments.beginAct(actor, request.params.env, { action: "exec", detail });
      const { id } = act;
      const began = performance.now();
      let outcome: ExecOutcome = "not-started";
      let endUse = () => {};
      try {
        requests.entered(id, reply.raw);
        const agent = await environments.agent(actor, id);
        endUse = environments.beginUse(id);
        outcome = "disconnected";
        const result = await runToEnd(agent, request.body, requestSignal(reply));
        outcome = "failure" in result ? "not-started" : result.timedOut ? "timed-out" : "exited";
        return result;
      } finally {
        endUse();
        void act.ended(outcome === "exited" ? "done" : "failed", { detail: { end: outcome } });
        logExec(request.log, { environment: id, actor: actor.id, outcome, ms: performance.now() - began });
      }
    },
  );
}

async function runToEnd(agent: GuestAgent, call: ExecCall, clientGone: AbortSignal): Promise<ExecResult> {
  const { stdin, timeoutMs, ...command } = call;
  const tooLong = tooLongToRun(command);
  if (tooLong !== null) return { failure: tooLong };
  const stdout = new Head();
  const stderr = new Head();
  let timedOut = false;
  const ended = Promise.withResolvers<ExecResult>();
  const exited = (exit: TerminalExit | null) =>
    ended.resolve({
      exit,
      stdout: stdout.text(),
      stderr: stderr.text(),
      truncated: stdout.isCut || stderr.isCut,
      timedOut,
    });
  const stream = await agent.exec(
    { ...command, tty: null },
    {
      started: () => undefined,
      stdout: (bytes) => stdout.push(bytes),
      stderr: (bytes) => stderr.push(bytes),
      exited,
      failed: (failure) => ended.resolve({ failure }),
      closed: (error) =>
        ended.reject(error ?? new PlatformError("GUEST_UNREACHABLE", "The program's stream ended early.")),
    },
    { signal: clientGone },
  );
  let timer = setTimeout(() => {
    timedOut = true;
    stream.signal(SIGKILL);
    timer = setTimeout(exited, KILLED_MS, null);
  }, timeoutMs);
  const onGone = () => {
    ended.reject(clientGone.reason as Error);
    stream.signal(SIGKILL);
  };
  clientGone.addEventListener("abort", onGone, { once: true });
  try {
    feed(stream, stdin ?? "").catch(ended.reject);
    return await ended.promise;
  } finally {
    clearTimeout(timer);
    clientGone.removeEventListener("abort", onGone);
    stream.close();
  }
}

async function feed(stream: ExecStream, text: string): Promise<void> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += 32_768) {
    if (!stream.write(bytes.subarray(at, at + 32_768))) await stream.drained();
  }
  stream.endInput();
}

const FIRST_CAPACITY = 4096;

/**
 * The first {@link MAX_OUTPUT_BYTES} of a stream, as text. Copied into one buffer: a chunk of one byte holds on to all that was
 * read with it, and a guest chooses how long its chunks are.
 */
class Head {
  #buffer = Buffer.alloc(0);
  #length = 0;
  isCut = false;

  push(bytes: Uint8Array): void {
    const taken = bytes.subarray(0, MAX_OUTPUT_BYTES - this.#length);
    if (bytes.length > taken.length) this.isCut = true;
    const length = this.#length + taken.length;
    if (length > this.#buffer.length) {
      const larger = Buffer.alloc(
        Math.min(MAX_OUTPUT_BYTES, Math.max(FIRST_CAPACITY, length, 2 * this.#buffer.length)),
      );
      this.#buffer.copy(larger, 0, 0, this.#length);
      this.#buffer = larger;
    }
    this.#buffer.set(taken, this.#length);
    this.#length = length;
  }

  text(): string {
    return new TextDecoder().decode(this.#buffer.subarray(0, this.#length));
  }
}
