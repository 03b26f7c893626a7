import { Environment, EnvironmentId } from "@microterm/protocol";
import { z } from "zod";
import { backoffMs, realTiming, type Timing } from "./backoff.ts";

/** One event of a text/event-stream. */
export interface ServerEvent {
  readonly event: string;
  readonly data: string;
}

/** A line or the data of one event may be this long, in UTF-16 units; more is not ours. */
const MAX_EVENT_LENGTH = 1024 * 1024;

/**
 * Parser of text/event-stream (WHATWG HTML, 9.2.6), for text in pieces of any size.
 * @throws {RangeError} when an event passes 1 MiB.
 */
export function createEventParser(emit: (event: ServerEvent) => void): (text: string) => void {
  let rest = "";
  let event = "";
  let data: string[] = [];
  let size = 0;
  const line = (text: string) => {
    if (text === "") {
      if (data.length > 0) emit({ event: event || "message", data: data.join("\n") });
      event = "";
      data = [];
      size = 0;
      return;
    }
    if (text.startsWith(":")) return;
    const colon = text.indexOf(":");
    const field = colon === -1 ? text : text.slice(0, colon);
    const value = colon === -1 ? "" : text.slice(colon + 1).replace(/^ /, "");
    if (field === "event") event = value;
    if (field === "data") {
      data.push(value);
      size += value.length;
    }
    if (size > MAX_EVENT_LENGTH) throw new RangeError("an event of more than 1 MiB");
  };
  return (text) => {
    rest += text;
    // A CR at the very end may be half of a CRLF: it waits for the next piece.
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? "";
    if (rest.length > MAX_EVENT_LENGTH) throw new RangeError("a line of more than 1 MiB");
    for (const text of lines) line(text);
  };
}

export interface EventHandlers {
  /** First one for every environment there is, then one for each change. */
  onEnvironment(environment: Environment): void;
  onRemoved(id: EnvironmentId): void;
  /** The stream was (re)opened: a full set follows. What was removed meanwhile is not told; ask for the list. */
  onConnected?(): void;
  /** The stream broke; it is opened again after `delayMs`. */
  onDisconnected?(delayMs: number): void;
  /** For good: the credential is refused. */
  onRefused?(error: Error): void;
}

const Removed = z.object({ id: EnvironmentId });

export interface Subscription {
  /** Waits no longer for a broken stream's next try. */
  reconnectNow(): void;
  close(): void;
}

/** Follows `GET /v1/events` until closed, across lost connections. `open` rejects with a final error to end it. */
export function followEvents(options: {
  readonly open: (signal: AbortSignal) => Promise<Response>;
  readonly isFinal: (error: unknown) => boolean;
  readonly handlers: EventHandlers;
  readonly timing?: Timing;
}): Subscription {
  const { handlers, open, isFinal } = options;
  const timing = options.timing ?? realTiming;
  const abort = new AbortController();
  const parser = () =>
    createEventParser(({ event, data }) => {
      if (abort.signal.aborted) return;
      if (event === "environment") handlers.onEnvironment(Environment.parse(JSON.parse(data)));
      if (event === "removed") handlers.onRemoved(Removed.parse(JSON.parse(data)).id);
    });
  let wake = (): void => undefined;
  const run = async () => {
    for (let attempt = 0; !abort.signal.aborted; attempt += 1) {
      try {
        const response = await open(abort.signal);
        const feed = parser();
        const decoder = new TextDecoder();
        handlers.onConnected?.();
        const reader = response.body?.getReader();
        for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read()) {
          attempt = 0;
          feed(decoder.decode(part.value, { stream: true }));
        }
      } catch (error) {
        if (abort.signal.aborted) return;
        if (isFinal(error)) {
          handlers.onRefused?.(error as Error);
          return;
        }
      }
      if (abort.signal.aborted) return;
      const delayMs = backoffMs(attempt, () => timing.random());
      handlers.onDisconnected?.(delayMs);
      await new Promise<void>((done) => {
        const cancel = timing.after(delayMs, done);
        wake = () => {
          cancel();
          done();
        };
      });
    }
  };
  void run();
  return {
    reconnectNow: () => wake(),
    close() {
      abort.abort();
      wake();
    },
  };
}
