/** The way of a key, a mouse report and a paste from xterm.js to the attachment. */
import type { Attachment } from "@microterm/sdk";
import type { IDisposable, Terminal } from "@xterm/xterm";
import { terminalNoticeWords } from "../../parts/words.ts";
import type { Store } from "../../store.ts";
import { onUserInput } from "../emulator/xterm-private.ts";
import { chunksOf, needsPreview, pasteBytes } from "./paste.ts";
import type { SessionState } from "./session-state.ts";

/** A paste waits while more than this is on its way, so that the input queue never refuses it. */
const PASTE_BACKLOG = 256 * 1024;
const PASTE_POLL_MS = 20;

/** DECSET 1004: what a program is told when the window gets or loses the focus. */
const FOCUS_REPORTS: ReadonlySet<string> = new Set(["\x1b[I", "\x1b[O"]);

export interface SessionInput extends IDisposable {
  /** Answers the preview of a paste. */
  decidePaste(isWanted: boolean): void;
}

export interface SessionInputOptions {
  readonly terminal: Terminal;
  readonly host: HTMLElement;
  readonly store: Store<SessionState>;
  /** null until there is one; keys typed before are lost, as on a machine that is not on yet. */
  readonly attachment: () => Attachment | null;
}

export const wireInput = ({ terminal, host, store, attachment }: SessionInputOptions): SessionInput => {
  const encoder = new TextEncoder();
  let isDisposed = false;
  let isTyped = false;

  /** One who looks on is told what to do instead. What they type is not sent: it would act once they may type. */
  const isRefused = (): boolean => {
    const { isViewer } = store.get();
    if (isViewer) store.set({ notice: terminalNoticeWords("read-only", "") });
    return isViewer;
  };
  const send = (bytes: Uint8Array): void => {
    if (isRefused()) return;
    if (attachment()?.write(bytes) !== false) return;
    const { phase } = store.get();
    if (phase === "reconnecting")
      store.set({ notice: "Too much was typed while disconnected; the last keys were not kept." });
    else if (phase === "live") store.set({ notice: "The program reads no input; the last keys were not kept." });
  };

  const paste = async (text: string): Promise<void> => {
    for (const chunk of chunksOf(pasteBytes(text, terminal.modes.bracketedPasteMode))) {
      while (!isDisposed && (attachment()?.queuedInput ?? 0) > PASTE_BACKLOG)
        await new Promise((resolve) => setTimeout(resolve, PASTE_POLL_MS));
      if (isDisposed) return;
      send(chunk);
    }
  };

  const onPaste = (event: ClipboardEvent): void => {
    event.preventDefault();
    event.stopPropagation();
    const text = event.clipboardData?.getData("text/plain") ?? "";
    if (text === "" || isRefused()) return;
    if (needsPreview(text, terminal.modes.bracketedPasteMode)) store.set({ pendingPaste: text });
    else void paste(text);
  };

  const hooks = [
    onUserInput(terminal, () => {
      isTyped = true;
    }),
    terminal.onData((data) => {
      // The server answers the program's queries; of what xterm.js says by itself only the focus is this window's alone.
      if (isTyped) send(encoder.encode(data));
      else if (FOCUS_REPORTS.has(data)) attachment()?.reply(encoder.encode(data));
      isTyped = false;
    }),
    // Mouse reports of the oldest encoding are bytes, not text.
    terminal.onBinary((data) => send(Uint8Array.from(data, (char) => char.charCodeAt(0) & 255))),
  ];
  host.addEventListener("paste", onPaste, { capture: true });

  return {
    decidePaste(isWanted) {
      const text = store.get().pendingPaste;
      store.set({ pendingPaste: null });
      if (isWanted && text !== null) void paste(text);
      terminal.focus();
    },
    dispose() {
      isDisposed = true;
      host.removeEventListener("paste", onPaste, { capture: true });
      for (const hook of hooks) hook.dispose();
    },
  };
};
