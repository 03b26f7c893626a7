import type { Socket } from "node:net";
import type { Abortable, GuestAgent } from "@microterm/core";
import { pause, withDeadline } from "@microterm/host";
import { PlatformError } from "@microterm/protocol";
import { connectAgent } from "./agent-client.ts";
import { guestUnreachable } from "./channel/agent-call.ts";
import { GuestSession } from "./channel/guest-session.ts";

/** Between two attempts, ms: a guest that boots is not there yet, one that is being attacked may refuse. */
const RETRY_MS = 50;
const MAX_RETRY_MS = 1000;
/** One attempt's share: after it the channel is opened again. */
const ATTEMPT_MS = 30_000;
const HELLO_MS = 10_000;

export interface AgentLinkOptions {
  /** Opens the channel, ready for a connection preface. */
  open(limits: { readonly timeoutMs: number; readonly signal: AbortSignal }): Promise<Socket>;
  /** How many times a channel that opened and broke before the handshake is opened again at once, before attempts wait; 0 by default. */
  readonly retriesAtOnce?: number;
  /** How long one attempt may take to open the channel, ms; 30,000 by default. */
  readonly attemptMs?: number;
  /** Of the holder's; that of a machine's first one, 0, by default. */
  readonly epoch?: number;
  readonly onConnected?: () => void;
}

/** One machine's connection to its agent: shared by all calls, made again after it broke. */
export class AgentLink {
  readonly #options: AgentLinkOptions;
  /** The connection, or the attempts at one. */
  #agent: Promise<GuestAgent> | undefined;
  /** Set while there are only attempts. */
  #attempts: AbortController | undefined;
  #waiting = 0;
  #lastError: unknown;
  /** Why there will be no agent any more. */
  #ended: string | undefined;

  constructor(options: AgentLinkOptions) {
    this.#options = options;
  }

  async agent(options: Abortable & { readonly timeoutMs: number }): Promise<GuestAgent> {
    if (this.#ended !== undefined) throw guestUnreachable(this.#ended);
    options.signal?.throwIfAborted();
    this.#agent ??= this.#start();
    this.#waiting += 1;
    try {
      return await withDeadline(this.#agent, options, (ms) => this.#timedOut(ms));
    } finally {
      this.#waiting -= 1;
      // Attempts that nobody waits for would keep the host busy for ever.
      if (this.#waiting === 0 && this.#attempts !== undefined) this.#giveUp("nothing waits for the guest any more");
    }
  }

  /** Ends the connection, and every call that waits for one. Safe to repeat. */
  end(reason: string): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    void this.#agent?.then(
      (agent) => agent.close(),
      () => {},
    );
    this.#giveUp(reason);
  }

  #giveUp(reason: string): void {
    this.#attempts?.abort(guestUnreachable(reason));
    this.#attempts = undefined;
    this.#agent = undefined;
  }

  #timedOut(ms: number): PlatformError {
    const last = this.#lastError;
    // An agent that answers wrongly until the deadline is broken, not slow.
    if (last instanceof PlatformError && last.code === "GUEST_PROTOCOL") return last;
    return guestUnreachable(`the guest's agent did not answer within ${ms} ms`, last);
  }

  #start(): Promise<GuestAgent> {
    const attempts = new AbortController();
    this.#attempts = attempts;
    this.#lastError = undefined;
    const connecting = this.#connect(attempts.signal);
    connecting.then(
      (agent) => {
        if (this.#attempts === attempts) this.#attempts = undefined;
        // Given up in the same moment.
        if (this.#agent !== connecting) agent.close();
        void agent.closed.then(() => {
          if (this.#agent === connecting) this.#agent = undefined;
        });
        this.#options.onConnected?.();
      },
      () => {},
    );
    return connecting;
  }

  async #connect(signal: AbortSignal): Promise<GuestAgent> {
    let left = this.#options.retriesAtOnce ?? 0;
    for (let wait = RETRY_MS; ; ) {
      try {
        return await this.#attempt(signal);
      } catch (error) {
        if (signal.aborted) throw error;
        this.#lastError = error;
        left -= 1;
        if (left >= 0) continue;
        await pause(wait, signal);
        wait = Math.min(2 * wait, MAX_RETRY_MS);
      }
    }
  }

  async #attempt(signal: AbortSignal): Promise<GuestAgent> {
    const socket = await this.#options.open({ timeoutMs: this.#options.attemptMs ?? ATTEMPT_MS, signal });
    const session = new GuestSession(socket);
    try {
      return await connectAgent(session, { timeoutMs: HELLO_MS, signal, epoch: this.#options.epoch ?? 0 });
    } catch (error) {
      session.destroy();
      throw error;
    }
  }
}
