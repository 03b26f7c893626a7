/** Remembers what programs change of the palette (OSC 4, 10, 11, 12 and their resets), which a saved screen must keep. */
import type { ScreenTerminal } from "./xterm-internals.ts";

/** Specifications as in XParseColor(3) are short; longer ones are noise. */
const MAX_SPEC = 64;
const DYNAMIC = [10, 11, 12] as const;

export interface PaletteTracker {
  dispose(): void;
  /** Sequences that set the palette as it is now. */
  sequences(): string;
  clear(): void;
}

const isColor = (spec: string | undefined): spec is string =>
  spec !== undefined && spec !== "?" && spec.length > 0 && spec.length <= MAX_SPEC && /^[\w#:/. ,-]+$/.test(spec);

export const trackPalette = (terminal: ScreenTerminal): PaletteTracker => {
  const indexed = new Map<number, string>();
  const dynamic = new Map<number, string>();
  const hooks: { dispose(): void }[] = [];
  // Every hook answers false, so that xterm.js handles the sequence too.
  const on = (code: number, handle: (data: string) => void): void => {
    hooks.push(
      terminal.parser.registerOscHandler(code, (data) => {
        handle(data);
        return false;
      }),
    );
  };
  on(4, (data) => {
    const parts = data.split(";");
    for (let i = 0; i + 1 < parts.length; i += 2) {
      const index = Number(parts[i]);
      const spec = parts[i + 1];
      if (Number.isInteger(index) && index >= 0 && index < 256 && isColor(spec)) indexed.set(index, spec);
    }
  });
  on(104, (data) => {
    if (data === "") indexed.clear();
    for (const part of data.split(";")) indexed.delete(Number(part));
  });
  for (const code of DYNAMIC) {
    on(code, (data) => {
      // OSC 10;a;b;c sets 10, 11 and 12 in a row.
      for (const [i, spec] of data.split(";").entries())
        if (code + i <= 12 && isColor(spec)) dynamic.set(code + i, spec);
    });
    on(code + 100, () => dynamic.delete(code));
  }
  return {
    sequences: () =>
      [...indexed].map(([i, spec]) => `\x1b]4;${i};${spec}\x1b\\`).join("") +
      [...dynamic].map(([code, spec]) => `\x1b]${code};${spec}\x1b\\`).join(""),
    clear() {
      indexed.clear();
      dynamic.clear();
    },
    dispose() {
      for (const hook of hooks) hook.dispose();
    },
  };
};
