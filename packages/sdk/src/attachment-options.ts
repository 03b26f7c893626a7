import type { Appearance, Keyframe, Presence, Ready, TerminalEvent, TerminalExit } from "@microterm/protocol";
import type { Timing } from "./backoff.ts";
import type { OpenSocket } from "./socket.ts";

export type AttachmentState =
  | { readonly kind: "connecting"; readonly attempt: number }
  | { readonly kind: "connected" }
  /** Disconnected; the next try comes in `delayMs`. */
  | { readonly kind: "waiting"; readonly attempt: number; readonly delayMs: number; readonly reason: string }
  /** The program ended; nothing follows. */
  | { readonly kind: "exited"; readonly exit: TerminalExit }
  /** The credential is refused, and `awaitsSignIn` was asked for. What is typed is kept until `reconnectNow`. */
  | { readonly kind: "signed-out" }
  /** Given up for good: removed, stopped, signed out, or refused. `error` is the server's, where it said why. */
  | { readonly kind: "ended"; readonly code: number; readonly reason: string; readonly error: Error | null }
  /** By Attachment.close(). */
  | { readonly kind: "closed" };

export interface AttachmentHandlers {
  /** Output in order, each byte once. Call `acknowledge(offset + length)` when it has been drawn. */
  onOutput(bytes: Uint8Array, offset: bigint): void;
  /** After every connect. Answer no query, here or later: the server does. Bytes before `ready.end` are a replay: ring no bell. */
  onReady?(ready: Ready): void;
  /** What was drawn belongs to another terminal: clear the screen. A keyframe follows. */
  onReset?(): void;
  /** The bytes in between are lost. */
  onGap?(from: bigint, to: bigint): void;
  /** Replaces all that was drawn; the bytes that follow go on from it. Call `acknowledge(keyframe.offset)` when it is drawn. */
  onKeyframe?(keyframe: Keyframe): void;
  /** A title, a bell, a working directory, a prompt; of bytes that were new when the server read them. */
  onEvent?(event: TerminalEvent, offset: bigint): void;
  onResize?(cols: number, rows: number, offset: bigint): void;
  onExit?(exit: TerminalExit, offset: bigint): void;
  /** So many bytes were typed right before a connection broke, and the server that is there now can't say whether they arrived. */
  onInputLost?(bytes: number): void;
  /** Who is at the terminal, now and at each change. Names that are not verified are whatever their bearers say. */
  onPresence?(presence: Presence): void;
  onNotice?(code: string, message: string): void;
  onState?(state: AttachmentState): void;
  /** Round trip to the server in milliseconds, every few seconds. */
  onLatency?(ms: number): void;
}

export interface Size {
  readonly cols: number;
  readonly rows: number;
}

export interface AttachOptions extends AttachmentHandlers {
  /** The attach address without a query, `ws:` or `wss:`. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly openSocket: OpenSocket;
  /** Continue at this byte; null: with a keyframe of the screen as it is. */
  readonly from: bigint | null;
  /** `viewer`: looks on, and what it types goes nowhere. `owner` when left out. */
  readonly role?: "owner" | "viewer";
  /** A refused credential is no end: the person who typed may sign in again. Never, when left out. */
  readonly awaitsSignIn?: boolean;
  /** The colours that programs are told of while this client is the one that types. */
  readonly appearance?: Appearance;
  /** The name under which this client's typing goes on at another connection: 16 to 64 of 0-9 and a-z. A random one when left out. */
  readonly input?: string;
  /** This client's size, sent after every connect; null: none yet. */
  readonly size: Size | null;
  /**
   * Called when a WebSocket could not be opened (browsers do not say why): resolves to an error that ends the
   * attachment for good, or to null to go on trying.
   */
  readonly diagnose: () => Promise<Error | null>;
  readonly timing?: Timing;
}
