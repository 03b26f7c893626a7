/** What xterm.js 6.0 does not publish and only a browser has; the rest is in packages/screen. Pinned exactly; tests fail when a field moves. */
import type { IDisposable, Terminal } from "@xterm/xterm";

interface Private {
  readonly _core: {
    readonly _writeBuffer: { writeSync(data: string): void };
    readonly coreService: { onUserInput(listener: () => void): IDisposable };
    readonly _viewport?: { queueSync(): void };
    /** addon-fit reads it too. */
    readonly _renderService: {
      readonly _renderer: { readonly value?: object };
      readonly dimensions: { readonly css: { readonly cell: { readonly width: number; readonly height: number } } };
    };
  };
}

const coreOf = (terminal: Terminal): Private["_core"] => (terminal as unknown as Private)._core;

/** A cell in CSS pixels, 0 before there is a renderer. */
export const cellOf = (terminal: Terminal): { readonly width: number; readonly height: number } =>
  coreOf(terminal)._renderService.dimensions.css.cell;

/** What draws now; undefined before the terminal is opened. */
export const rendererOf = (terminal: Terminal): object | undefined => coreOf(terminal)._renderService._renderer.value;

/** Called just before an `onData` that carries a person's typing; what xterm.js answers to queries has no announcement. */
export const onUserInput = (terminal: Terminal, listener: () => void): IDisposable =>
  coreOf(terminal).coreService.onUserInput(listener);

/**
 * Parses what was written, at once. Only where xterm.js has not started on it: writeSync() of 6.0 would parse again what a turn of its
 * own has parsed already.
 */
export const parseWritten = (terminal: Terminal): void => coreOf(terminal)._writeBuffer.writeSync("");

/** Tells the scrollbar where the screen is, which 6.0 forgets for rows that were drawn before the terminal was opened. */
export const syncScrollbar = (terminal: Terminal): void => coreOf(terminal)._viewport?.queueSync();
