/** One terminal on the page: an emulator, an attachment to the server, and the screen kept between them. */
import type { Attachment, AttachRequest } from "@microterm/sdk";
import type { Terminal } from "@xterm/xterm";
import { createStore, type Store } from "../../store.ts";
import { isDark } from "../../theme.ts";
import { appearanceOf, loadFonts } from "../emulator/appearance.ts";
import { hearCopies } from "../emulator/clipboard-writes.ts";
import { createEmulator } from "../emulator/emulator.ts";
import { createLetterbox } from "../emulator/letterbox.ts";
import { integrateShell } from "../emulator/shell-integration.ts";
import { syncScrollbar } from "../emulator/xterm-private.ts";
import { createKeyHandler, type KeySettings, type PageKey } from "../keys.ts";
import { createScreenKeeper } from "../screens/screen-keeper.ts";
import { changeTerminalSettings, terminalSettings } from "../settings.ts";
import { wireInput } from "./session-input.ts";
import { createSessionOutput } from "./session-output.ts";
import { INITIAL_STATE, isForeign, type SessionState } from "./session-state.ts";
import { sanitizeTitle } from "./title.ts";

export interface SessionOptions {
  readonly terminal: string;
  /** Connects it to the server. */
  readonly connect: (request: Omit<AttachRequest, "environment" | "terminal">) => Attachment;
  /** It is another's: nothing that its programs ask for acts here, but drawing. */
  readonly isShared: boolean;
  /** Tells this terminal from any other there ever was under its name. */
  readonly keptAs: string;
  /** Its name to screen readers. */
  readonly label: string;
  readonly renderer: "webgl" | "dom";
  readonly keys: () => KeySettings;
  readonly onPageKey: (key: PageKey) => void;
}

export interface Session extends Pick<Store<SessionState>, "get" | "subscribe"> {
  /** The emulator: what is loaded later, as the search is, works on it. */
  readonly terminal: Terminal;
  /** Draws it in `place`, and takes the focus if it may. */
  show(place: HTMLElement, takesFocus: boolean): void;
  /** It follows on unseen: its title, its bell, its end. */
  hide(): void;
  /** Attaches where that has not happened yet, or where the environment had ended it, at the next byte. */
  attach(): void;
  focus(): void;
  /** Scrolls to the prompt before (-1) or after (1) the top of what is seen. */
  jump(direction: -1 | 1): void;
  reconnectNow(): void;
  /** Of a shared terminal: asks to type, or does not want to any more. */
  askKeyboard(isWanted: boolean): void;
  dismissNotice(): void;
  /** Answers the preview of a paste. */
  decidePaste(isWanted: boolean): void;
  /** Answers whether programs may copy, for good. */
  decideCopy(isAllowed: boolean): void;
  setScreenReader(isOn: boolean): void;
  setOptionMeta(isOn: boolean): void;
  /** Drops what is kept of its screen. */
  forget(): void;
  dispose(): void;
}

const createHost = ({ terminal, label }: SessionOptions): HTMLElement => {
  const host = document.createElement("div");
  host.className = "terminal-host";
  host.role = "group";
  host.ariaLabel = label;
  host.dataset.terminal = terminal;
  host.dataset.state = INITIAL_STATE.phase;
  return host;
};

export const openSession = (options: SessionOptions): Session => {
  const host = createHost(options);
  const store = createStore(INITIAL_STATE);
  let attachment: Attachment | null = null;
  let isShown = false;
  let isOpened = false;
  /** Its renderer is loaded: not before does a cell have the size that it keeps. */
  let isDrawn = false;
  let isDisposed = false;
  const emulator = createEmulator({
    renderer: options.renderer,
    onLinkHovered: (hoveredLink) => store.set({ hoveredLink }),
    onThemeChanged: () => attachment?.setAppearance(appearanceOf(isDark())),
    onRendererChanged: () => {
      letterbox.remeasure();
      fit();
    },
  });
  const { terminal } = emulator;
  const copy = (text: string): void => {
    const failed = (): void => store.set({ notice: "The browser did not let a program copy to the clipboard." });
    if (navigator.clipboard === undefined) failed();
    else navigator.clipboard.writeText(text).catch(failed);
  };
  const offerCopy = (text: string): void => {
    const { mayCopy } = terminalSettings();
    // A hidden tab does not copy.
    if (mayCopy === false || !isShown) return;
    if (mayCopy) copy(text);
    else store.set({ pendingCopy: text });
  };
  if (!options.isShared) hearCopies(terminal, offerCopy);
  const shell = integrateShell(terminal, store.set);
  const keeper = createScreenKeeper(terminal, options.keptAs, shell);
  const letterbox = createLetterbox(terminal, host);
  const input = wireInput({ terminal, host, store, attachment: () => attachment });
  const output = createSessionOutput({
    terminal,
    keeper,
    store,
    acknowledge: (offset) => attachment?.acknowledge(offset),
    onBell: () => {
      if (!isShown) store.set({ hasRung: true });
    },
    onDrawn: (offset) => {
      host.dataset.offset = offset.toString();
    },
  });

  /** Restored before it is opened: nothing is rendered that is not the final screen. */
  const restore = async (): Promise<bigint | null> => {
    const from = await keeper.restore();
    if (from === null) return null;
    output.restored();
    host.dataset.offset = from.toString();
    store.set({ title: sanitizeTitle(keeper.title), size: { cols: terminal.cols, rows: terminal.rows } });
    return from;
  };
  const restored = restore();

  const fit = (): void => {
    if (!isShown || !isDrawn) return;
    const room = letterbox.room();
    if (room === null) return;
    const { room: before, phase } = store.get();
    if (room.cols !== before?.cols || room.rows !== before.rows) {
      store.set({ room });
      // The terminal takes this size when the server says at which byte; after its end no message comes.
      if (phase === "exited" || phase === "ended") {
        terminal.resize(room.cols, room.rows);
        store.set({ size: room });
      } else {
        attachment?.resize(room.cols, room.rows);
      }
    }
    letterbox.fit();
  };

  const attach = async (): Promise<void> => {
    const from = attachment?.offset ?? (await restored);
    const isLeft = attachment === null || store.get().phase === "ended";
    if (isDisposed || !isLeft) return;
    const { room } = store.get();
    if (from === null && attachment === null && room !== null) terminal.resize(room.cols, room.rows);
    store.set({ size: { cols: terminal.cols, rows: terminal.rows }, endReason: null });
    attachment = options.connect({ ...output.handlers, from, size: room });
    attachment.setAppearance(appearanceOf(isDark()));
  };

  const open = async (takesFocus: boolean): Promise<void> => {
    await Promise.all([loadFonts(), restored]);
    // A tab that was left meanwhile is opened when it is looked at again.
    if (isDisposed || !isShown || isOpened) return;
    emulator.open(host);
    isOpened = true;
    await emulator.setShown(true);
    isDrawn = true;
    letterbox.remeasure();
    fit();
    syncScrollbar(terminal);
    await attach();
    if (isShown && takesFocus) terminal.focus();
  };

  const observer = new ResizeObserver(() => requestAnimationFrame(fit));
  observer.observe(host);
  const onOnline = (): void => attachment?.reconnectNow();
  addEventListener("online", onOnline);

  store.subscribe(() => {
    const state = store.get();
    host.dataset.state = state.phase;
    host.dataset.foreign = String(isForeign(state));
  });
  const noteTop = (): void => {
    const { active } = terminal.buffer;
    const isTop = active.type === "normal" && active.baseY > 0 && active.viewportY === 0;
    store.set({ keptRows: isTop && keeper.hasLostRows ? active.baseY : null });
  };
  terminal.onScroll(noteTop);
  terminal.onResize(() => requestAnimationFrame(fit));
  terminal.onWriteParsed(() => store.set({ isMouseTaken: terminal.modes.mouseTrackingMode !== "none" }));
  terminal.attachCustomKeyEventHandler(
    createKeyHandler({ terminal, settings: options.keys, jump: shell.jump, onPageKey: options.onPageKey }),
  );

  return {
    get: store.get,
    subscribe: store.subscribe,
    terminal,
    show(place, takesFocus) {
      place.append(host);
      isShown = true;
      store.set({ hasRung: false });
      if (!isOpened) {
        void open(takesFocus);
        return;
      }
      void emulator.setShown(true);
      fit();
      syncScrollbar(terminal);
      if (takesFocus) terminal.focus();
    },
    hide() {
      isShown = false;
      host.remove();
      void emulator.setShown(false);
    },
    attach: () => void attach(),
    focus: () => terminal.focus(),
    jump: shell.jump,
    reconnectNow: () => attachment?.reconnectNow(),
    askKeyboard: (isWanted) => attachment?.askKeyboard(isWanted),
    dismissNotice: () => store.set({ notice: null }),
    decidePaste: input.decidePaste,
    decideCopy(isAllowed) {
      const text = store.get().pendingCopy;
      store.set({ pendingCopy: null });
      changeTerminalSettings({ mayCopy: isAllowed });
      if (isAllowed && text !== null) copy(text);
      terminal.focus();
    },
    setOptionMeta(isOn) {
      terminal.options.macOptionIsMeta = isOn;
    },
    setScreenReader(isOn) {
      terminal.options.screenReaderMode = isOn;
    },
    forget: () => keeper.forget(),
    dispose() {
      isDisposed = true;
      isShown = false;
      observer.disconnect();
      removeEventListener("online", onOnline);
      shell.dispose();
      input.dispose();
      attachment?.close();
      keeper.dispose();
      emulator.dispose();
      host.remove();
    },
  };
};
