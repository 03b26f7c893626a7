/** What programs change of the palette (OSC 4, 10, 11, 12 and their resets) or ask of it, as xterm.js reads it. */
import { coreOf, type Disposable, type ScreenTerminal } from "../xterm-internals.ts";

/** Of xterm.js's numbers: foreground, background and cursor follow the 256. */
const SPECIAL = 256;
const FIRST_DYNAMIC = 10;

type Rgb = readonly [red: number, green: number, blue: number];
export type ColorRequest =
  | { readonly type: "ask" | "reset"; readonly index: number; readonly color: null }
  | { readonly type: "set"; readonly index: number; readonly color: Rgb };

/** Tells what each sequence asks for, in its order. Indices are the palette's; 256 to 258 are foreground, background and cursor. */
export const onColors = (terminal: ScreenTerminal, listener: (requests: readonly ColorRequest[]) => void): Disposable =>
  coreOf(terminal)._inputHandler.onColor((requests) =>
    listener(
      requests.flatMap(({ type, index, color }): ColorRequest[] => {
        if (type === 1) return index === undefined || color === undefined ? [] : [{ type: "set", index, color }];
        if (index !== undefined) return [{ type: type === 0 ? "ask" : "reset", index, color: null }];
        return Array.from({ length: SPECIAL }, (_, i) => ({ type: "reset", index: i, color: null }));
      }),
    ),
  );

export interface PaletteTracker {
  /** Sequences that set the palette as it is now. */
  sequences(): string;
  dispose(): void;
}

export const trackPalette = (terminal: ScreenTerminal): PaletteTracker => {
  const colors = new Map<number, Rgb>();
  const hook = onColors(terminal, (requests) => {
    for (const { type, index, color } of requests) {
      if (type === "set") colors.set(index, color);
      else if (type === "reset") colors.delete(index);
    }
  });
  return {
    sequences: () =>
      [...colors]
        .map(([index, rgb]) => {
          const code = index < SPECIAL ? `4;${index}` : `${index - SPECIAL + FIRST_DYNAMIC}`;
          return `\x1b]${code};#${rgb.map((n) => n.toString(16).padStart(2, "0")).join("")}\x1b\\`;
        })
        .join(""),
    dispose: () => hook.dispose(),
  };
};
