/** One terminal on the page: an emulator, an attachment to the server, and the screen kept between them. */
import type { Attachment, AttachmentHandlers, AttachmentState, Client, Ready } from "@microterm/sdk";
import { loadFonts } from "./appearance.ts";
import { createEmulator, type Emulator } from "./emulator.ts";
import { handleKey, type KeySettings } from "./keys.ts";
import { createReplyFilter, splitAt } from "./reply-filter.ts";
import { createScreenKeeper } from "./screen-keeper.ts";
import { wireInput } from "./session-input.ts";
import { createStore, INITIAL_STATE, type SessionState, type Store } from "./session-state.ts";
import { sanitizeTitle } from "./title.ts";

/** CAN ends an unfinished sequence, then attributes and character sets as at the start: for output with a hole in it. */
const RESYNC = "\x18\x1b[0m\x1b(B\x0f";
/** CAN and RIS: a new terminal. */
const CLEAR = "\x18\x1bc";

export interface SessionOptions {
  readonly client: Client;
  readonly environment: string;
  readonly terminal: string;
  /** Tells this terminal from any other there ever was under its name. */
  readonly keptAs: string;
  readonly host: HTMLElement;
  readonly renderer: "webgl" | "dom";
  readonly keys: () => KeySettings;
}

export interface Session extends Pick<Store<SessionState>, "get" | "subscribe"> {
  focus(): void;
  reconnectNow(): void;
  dismissNotice(): void;
  /** Answers the preview of a paste. */
  decidePaste(isWanted: boolean): void;
  setScreenReader(isOn: boolean): void;
  dispose(): void;
}

const bytesInWords = (n: bigint): string =>
  n < 10_000n ? `${n} bytes` : n < 1_000_000n ? `${n / 1000n} kB` : `${Number(n / 100_000n) / 10} MB`;

export const openSession = (options: SessionOptions): Session => {
  const { host } = options;
  const store = createStore(INITIAL_STATE);
  const replies = createReplyFilter();
  const emulator: Emulator = createEmulator({
    renderer: options.renderer,
    onLinkHovered: (hoveredLink) => store.set({ hoveredLink }),
  });
  const { terminal } = emulator;
  const keeper = createScreenKeeper(emulator, options.keptAs);
  const cleanup: (() => void)[] = [];
  let attachment: Attachment | null = null;
  const input = wireInput({ terminal, host, store, replies, attachment: () => attachment });
  let isDisposed = false;
  let replayEnd = 0n;
  /** Set until the first output after a restored screen: a gap there means that the kept screen is too old. */
  let isRestored = false;

  store.subscribe(() => {
    host.dataset.state = store.get().phase;
  });
  const mark = (): void => {
    if (keeper.drawn === null) return;
    replies.drawn(keeper.drawn);
    host.dataset.offset = keeper.drawn.toString();
  };
  /** Runs `action` between the bytes written before and those written after. */
  const inOrder = (action: () => void, sequence = ""): void => terminal.write(sequence, action);
  const skip = (offset: bigint, sequence: string): void =>
    inOrder(() => {
      keeper.skippedTo(offset);
      mark();
      attachment?.acknowledge(offset);
    }, sequence);

  const draw = (bytes: Uint8Array, offset: bigint): void => {
    let end = offset;
    for (const part of splitAt(bytes, offset, replayEnd)) {
      end += BigInt(part.length);
      const upTo = end;
      terminal.write(part, () => {
        keeper.drew(part, upTo);
        mark();
        attachment?.acknowledge(upTo);
      });
    }
  };

  const phaseOf = (state: AttachmentState): Partial<SessionState> => {
    switch (state.kind) {
      case "connecting":
        return { phase: store.get().phase === "opening" ? "opening" : "reconnecting", retryAt: null };
      case "connected":
        return { phase: "live", retryAt: null };
      case "waiting":
        return { phase: "reconnecting", retryAt: performance.now() + state.delayMs, latencyMs: null };
      case "exited":
        return { phase: "exited", exit: state.exit, latencyMs: null };
      case "ended":
        return { phase: "ended", endReason: state.reason, latencyMs: null };
      case "closed":
        return {};
    }
  };
  const follow = (state: AttachmentState): void => {
    // The last output is drawn before the end is told.
    if (state.kind === "exited") inOrder(() => store.set(phaseOf(state)));
    else store.set(phaseOf(state));
    // The guest that had this terminal is gone, and what it showed with it.
    if (state.kind === "ended") keeper.forget();
  };

  const handlers: AttachmentHandlers = {
    onState: follow,
    onReady(ready: Ready) {
      replayEnd = ready.end;
      inOrder(() => replies.replayUntil(ready.end));
      // The first bytes of a new terminal are at the ring's start.
      if (keeper.drawn === null) skip(ready.from, "");
    },
    onReset() {
      isRestored = false;
      skip(attachment?.offset ?? 0n, CLEAR);
      store.set({ notice: "The screen kept from before belongs to another terminal, so this one starts afresh." });
    },
    onGap(from, to) {
      skip(to, isRestored ? CLEAR : RESYNC);
      const lost = bytesInWords(to - from);
      store.set({
        notice: isRestored
          ? `${lost} of output passed while this page was away and are gone, so the kept screen was dropped.`
          : `${lost} of output could not be shown in time and are gone. Ctrl+L redraws most programs.`,
      });
      isRestored = false;
    },
    onKeyframe({ offset, cols, rows, bytes }) {
      inOrder(() => terminal.resize(cols, rows), CLEAR);
      terminal.write(bytes);
      skip(offset, "");
    },
    onOutput(bytes, offset) {
      isRestored = false;
      draw(bytes, offset);
    },
    onResize: (cols, rows) =>
      inOrder(() => {
        terminal.resize(cols, rows);
        store.set({ size: { cols, rows } });
      }),
    onNotice: (_, notice) => store.set({ notice }),
    onLatency: (latencyMs) => store.set({ latencyMs }),
  };

  const fit = (): void => {
    const room = emulator.roomFor();
    if (room === null) return;
    const before = store.get().room;
    if (room.cols === before?.cols && room.rows === before.rows) return;
    store.set({ room });
    const { phase } = store.get();
    // The terminal takes this size when the server says at which byte; after its end nobody says so.
    if (phase === "exited" || phase === "ended") terminal.resize(room.cols, room.rows);
    else attachment?.resize(room.cols, room.rows);
  };

  const start = async (): Promise<void> => {
    await loadFonts();
    if (isDisposed) return;
    // Restored before it is opened: nothing is rendered that is not the final screen.
    const from = await keeper.restore();
    isRestored = from !== null;
    if (isDisposed) return;
    mark();
    store.set({ title: keeper.title });
    await emulator.open(host);
    if (isDisposed) return;
    cleanup.push(observe());
    fit();
    const { room } = store.get();
    if (from === null && room !== null) terminal.resize(room.cols, room.rows);
    store.set({ size: { cols: terminal.cols, rows: terminal.rows } });
    const { client, environment, terminal: id } = options;
    attachment = client.attachTerminal({ ...handlers, environment, terminal: id, from, size: room });
    terminal.focus();
  };

  const observe = (): (() => void) => {
    const observer = new ResizeObserver(() => requestAnimationFrame(fit));
    observer.observe(host);
    return () => observer.disconnect();
  };

  terminal.onTitleChange((title) => {
    keeper.titleChanged(sanitizeTitle(title));
    store.set({ title: sanitizeTitle(title) });
  });
  terminal.onWriteParsed(() => store.set({ isMouseTaken: terminal.modes.mouseTrackingMode !== "none" }));
  terminal.attachCustomKeyEventHandler((event) => handleKey(event, terminal, options.keys));
  const onOnline = (): void => attachment?.reconnectNow();
  addEventListener("online", onOnline);
  cleanup.push(() => {
    removeEventListener("online", onOnline);
  });
  void start();

  return {
    get: store.get,
    subscribe: store.subscribe,
    focus: () => terminal.focus(),
    reconnectNow: () => attachment?.reconnectNow(),
    dismissNotice: () => store.set({ notice: null }),
    decidePaste: input.decidePaste,
    setScreenReader(isOn) {
      terminal.options.screenReaderMode = isOn;
    },
    dispose() {
      isDisposed = true;
      for (const step of cleanup) step();
      input.dispose();
      attachment?.close();
      keeper.dispose();
      emulator.dispose();
    },
  };
};
