import { Environment, EnvironmentId, EVENTS_SUBPROTOCOL, PlatformError } from "@microterm/protocol";
import { z } from "zod";
import { backoffMs, realTiming, type Timing } from "./backoff.ts";
import { listen, type OpenSocket } from "./socket.ts";

/** The server says something every 3 s. */
const SILENCE_MS = 9000;
/** Close code of a credential that was revoked: docs/reference/terminal-protocol.md. */
const CREDENTIAL_REVOKED = 4401;
/** An application's own codes begin at 3000 (WHATWG WebSockets, 3.1). */
const FAULT = 4002;

export interface EventHandlers {
  /** First one for every environment there is, then one for each change. */
  onEnvironment(environment: Environment): void;
  onRemoved(id: EnvironmentId): void;
  /** The stream was (re)opened: a full set follows. Removals meanwhile are not reported; ask for the list. */
  onConnected?(): void;
  /** The stream broke, or fell silent for 9 s (`isSilent`); it is opened again after `delayMs`. */
  onDisconnected?(delayMs: number, isSilent: boolean): void;
  /** For good: the credential is refused. */
  onRefused?(error: Error): void;
}

const Message = z.object({ event: z.string(), data: z.unknown().optional() });
const Removed = z.object({ id: EnvironmentId });

export interface Subscription {
  /** Waits no longer for a broken stream's next try. */
  reconnectNow(): void;
  close(): void;
}

export interface FollowOptions {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly openSocket: OpenSocket;
  readonly handlers: EventHandlers;
  /** Says why a WebSocket was refused for good; null when that is not known. */
  readonly diagnose: () => Promise<Error | null>;
  readonly timing?: Timing;
}

/**
 * Follows `/v1/events` as a WebSocket until closed, across lost connections: a browser has only six HTTP connections to a
 * server, which event streams of six pages would take up for good.
 */
export function followEvents(options: FollowOptions): Subscription {
  const { url, headers, openSocket, handlers, diagnose } = options;
  const timing = options.timing ?? realTiming;
  let attempt = 0;
  let isOver = false;
  let isWaiting = false;
  let drop = (): void => undefined;
  let cancel = (): void => undefined;

  const refuse = (error: Error): void => {
    isOver = true;
    handlers.onRefused?.(error);
  };
  const retry = (isSilent = false): void => {
    if (isOver) return;
    const delayMs = backoffMs(attempt++, () => timing.random());
    isWaiting = true;
    cancel = timing.after(delayMs, connect);
    handlers.onDisconnected?.(delayMs, isSilent);
  };
  const listenForSilence = (): void => {
    cancel();
    cancel = timing.after(SILENCE_MS, () => {
      drop();
      retry(true);
    });
  };
  const tell = (text: string): void => {
    const { event, data } = Message.parse(JSON.parse(text));
    if (event === "environment") handlers.onEnvironment(Environment.parse(data));
    if (event === "removed") handlers.onRemoved(Removed.parse(data).id);
  };

  function connect(): void {
    isWaiting = false;
    let isOpened = false;
    const socket = openSocket(url, { protocol: EVENTS_SUBPROTOCOL, headers });
    const unlisten = listen(socket, {
      opened: () => {
        isOpened = true;
        handlers.onConnected?.();
      },
      message: () => fail(),
      textMessage: (text) => {
        listenForSilence();
        try {
          tell(text);
          attempt = 0;
        } catch {
          fail();
        }
      },
      closed: (code, reason) => {
        drop();
        if (code === CREDENTIAL_REVOKED) refuse(new PlatformError("UNAUTHENTICATED", reason));
        else if (isOpened) retry();
        else void explain();
      },
    });
    drop = () => {
      cancel();
      unlisten();
      socket.close(FAULT, "");
    };
    listenForSilence();
  }
  function fail(): void {
    drop();
    retry();
  }
  async function explain(): Promise<void> {
    const error = await diagnose().catch(() => null);
    if (isOver) return;
    if (error === null) retry();
    else refuse(error);
  }

  connect();
  return {
    reconnectNow() {
      if (isOver || !isWaiting) return;
      cancel();
      connect();
    },
    close() {
      if (isOver) return;
      isOver = true;
      drop();
    },
  };
}
