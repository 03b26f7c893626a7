/** What comes from the server, drawn in order: output, keyframes, gaps, sizes. */
import type { AttachmentHandlers, AttachmentState, Ready } from "@microterm/sdk";
import type { Terminal } from "@xterm/xterm";
import { terminalNoticeWords } from "../../parts/words.ts";
import type { Store } from "../../store.ts";
import type { ScreenKeeper } from "../screens/screen-keeper.ts";
import type { SessionState } from "./session-state.ts";
import { sanitizeTitle } from "./title.ts";

export interface SessionOutputOptions {
  readonly terminal: Terminal;
  readonly keeper: ScreenKeeper;
  readonly store: Store<SessionState>;
  readonly acknowledge: (offset: bigint) => void;
  /** A bell that is new: what is drawn again after a refresh rings no more. */
  readonly onBell: () => void;
  /** All before it has been drawn. */
  readonly onDrawn: (offset: bigint) => void;
}

export interface SessionOutput {
  readonly handlers: AttachmentHandlers;
  /** A kept screen has been drawn: a gap right after it means that the screen is too old. */
  restored(): void;
}

const bytesInWords = (n: bigint): string =>
  n < 10_000n ? `${n} bytes` : n < 1_000_000n ? `${n / 1000n} kB` : `${Number(n / 100_000n) / 10} MB`;

const phaseOf = (state: AttachmentState, before: SessionState["phase"]): Partial<SessionState> => {
  switch (state.kind) {
    case "connecting":
      return { phase: before === "opening" ? "opening" : "reconnecting", retryAt: null };
    case "connected":
      return { phase: "live", retryAt: null };
    case "waiting":
      return {
        ...{ phase: "reconnecting", retryAt: performance.now() + state.delayMs },
        ...{ latencyMs: null, presence: null },
      };
    case "exited":
      return { phase: "exited", exit: state.exit, latencyMs: null, presence: null, isBusy: false };
    case "signed-out":
      return { phase: "signed-out", retryAt: null, latencyMs: null, presence: null };
    case "ended":
      return { phase: "ended", endReason: state.reason, latencyMs: null, presence: null };
    case "closed":
      return {};
  }
};

export const createSessionOutput = (options: SessionOutputOptions): SessionOutput => {
  const { terminal, keeper, store, acknowledge } = options;
  let isRestored = false;
  let readyFrom = 0n;

  const reached = (offset: bigint) => (): void => {
    store.set({ title: sanitizeTitle(keeper.title), cwd: sanitizeTitle(keeper.cwd) });
    options.onDrawn(offset);
    acknowledge(offset);
  };
  const skip = (offset: bigint, isAnother: boolean): void => keeper.skip(offset, isAnother, reached(offset));
  const follow = (state: AttachmentState): void => {
    const change = phaseOf(state, store.get().phase);
    // The last output is drawn before the end is reported.
    if (state.kind === "exited") keeper.inOrder(() => store.set(change));
    else store.set(change);
    // Nothing of the session, nor of what is shared no more, stays in the browser's storage.
    if (state.kind === "signed-out" || (state.kind === "ended" && state.code === 4401)) keeper.forget();
  };

  return {
    restored() {
      isRestored = true;
    },
    handlers: {
      onState: follow,
      onReady(ready: Ready) {
        readyFrom = ready.from;
        store.set({ isViewer: ready.role === "viewer" });
      },
      onReset() {
        isRestored = false;
        // The server says so with a notice.
        skip(readyFrom, true);
      },
      onGap(from, to) {
        skip(to, isRestored);
        const lost = bytesInWords(to - from);
        store.set({
          notice: isRestored
            ? `${lost} of output passed while this page was away and are gone, so the kept screen was dropped.`
            : `${lost} of output could not be shown in time and are gone. Ctrl+L redraws most programs.`,
        });
        isRestored = false;
      },
      onKeyframe(keyframe) {
        isRestored = false;
        const { offset, cols, rows } = keyframe;
        keeper.keyframe(keyframe, () => {
          store.set({ size: { cols, rows } });
          reached(offset)();
        });
      },
      onOutput(bytes, offset) {
        isRestored = false;
        const end = offset + BigInt(bytes.length);
        keeper.draw(bytes, end, reached(end));
      },
      onEvent(event) {
        if (event.kind === "bell") options.onBell();
      },
      onResize: (cols, rows) =>
        keeper.inOrder(() => {
          terminal.resize(cols, rows);
          store.set({ size: { cols, rows } });
        }),
      onInputLost: (bytes) =>
        store.set({
          notice: `${bytesInWords(BigInt(bytes))} that you typed right before the connection broke may not have arrived.`,
        }),
      onPresence: (presence) => store.set({ presence }),
      onNotice(code, message) {
        if (code === "keyboard-given" || code === "keyboard-taken") store.set({ isViewer: code === "keyboard-taken" });
        store.set({ notice: terminalNoticeWords(code, message) });
      },
      onLatency: (latencyMs) => store.set({ latencyMs }),
    },
  };
};
