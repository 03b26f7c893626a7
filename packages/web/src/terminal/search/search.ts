/** Finds text in the screen of a terminal and in the rows above it. */
import { type ISearchOptions, SearchAddon } from "@xterm/addon-search";
import type { IDisposable, Terminal } from "@xterm/xterm";
import { createStore, type Store } from "../../store.ts";
import { isDark } from "../../theme.ts";
import { searchColors } from "./search-colors.ts";

/** Marked at the same time; of more the count is not known. */
export const MAX_MATCHES = 10_000;

export interface Query {
  readonly text: string;
  readonly isCaseSensitive: boolean;
  /** A regular expression, of JavaScript. */
  readonly isRegex: boolean;
}

export interface Matches {
  readonly count: number;
  /** Of the one that is selected, from 1; 0 where none is. */
  readonly current: number;
  /** What is wrong with the regular expression. */
  readonly fault: string | null;
}

export interface Search extends Pick<Store<Matches>, "get" | "subscribe">, IDisposable {
  /** Marks all matches and selects the one before (-1) or after (1) the selected one; 0: the nearest, as is fit while one types. */
  find(query: Query, direction: -1 | 0 | 1): void;
  /** Marks none any more. */
  clear(): void;
}

const NONE: Matches = { count: 0, current: 0, fault: null };

export const createSearch = (terminal: Terminal): Search => {
  const store = createStore<Matches>(NONE);
  const addon = new SearchAddon({ highlightLimit: MAX_MATCHES });
  terminal.loadAddon(addon);
  const results = addon.onDidChangeResults(({ resultIndex, resultCount }) =>
    store.set({ count: resultCount, current: resultIndex + 1 }),
  );
  const clear = (): void => {
    addon.clearDecorations();
    terminal.clearSelection();
    store.set(NONE);
  };
  return {
    get: store.get,
    subscribe: store.subscribe,
    find({ text, isCaseSensitive, isRegex }, direction) {
      const fault = isRegex ? faultOf(text) : null;
      if (text === "" || fault !== null) {
        clear();
        store.set({ fault });
        return;
      }
      store.set({ fault: null });
      const options: ISearchOptions = {
        regex: isRegex,
        caseSensitive: isCaseSensitive,
        incremental: direction === 0,
        decorations: searchColors(isDark()),
      };
      // Upwards from the end, where one types.
      const found = direction === 1 ? addon.findNext(text, options) : addon.findPrevious(text, options);
      if (!found) store.set({ count: 0, current: 0 });
    },
    clear,
    dispose() {
      results.dispose();
      addon.dispose();
    },
  };
};

function faultOf(text: string): string | null {
  try {
    new RegExp(text);
    return null;
  } catch (error) {
    // "Invalid regular expression: /(/: Unterminated group"
    return error instanceof Error ? (error.message.split(": ").at(-1) ?? error.message) : String(error);
  }
}
