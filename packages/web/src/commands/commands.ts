/**
 * What can be done now. A button that does a command says so by `data-command`, and can be pressed by the palette as by a pointer; a part of
 * the page that does one without a button, or that has other things to go to, registers it.
 */
import { useEffect, useRef } from "react";
import { createStore } from "../store.ts";
import type { CommandId } from "./table.ts";

/** Something to go to: an environment, a terminal, a port. */
export interface Place {
  /** The same at each visit, for what was used last. */
  readonly id: string;
  readonly name: string;
  readonly group: string;
  readonly run: () => void;
}

/** By what parts of the page that are mounted have registered. */
export const handlers = new Map<CommandId, () => void>();
export const sources = new Set<() => readonly Place[]>();

/** While it is mounted, that command does this; null: it cannot be done now. */
export const useCommand = (id: CommandId, run: (() => void) | null): void => {
  const latest = useRef(run);
  latest.current = run;
  const isThere = run !== null;
  useEffect(() => {
    if (!isThere) return;
    const handler = (): void => latest.current?.();
    handlers.set(id, handler);
    return () => {
      if (handlers.get(id) === handler) handlers.delete(id);
    };
  }, [id, isThere]);
};

/** Places to go to, asked for whenever the palette is opened. */
export const usePlaces = (places: () => readonly Place[]): void => {
  const latest = useRef(places);
  latest.current = places;
  useEffect(() => {
    const source = (): readonly Place[] => latest.current();
    sources.add(source);
    return () => void sources.delete(source);
  }, []);
};

/** Which of the two lies over the page. */
const shown = createStore<{ readonly overlay: "palette" | "shortcuts" | null }>({ overlay: null });
export const overlayStore = { get: shown.get, subscribe: shown.subscribe };
export const showOverlay = (overlay: "palette" | "shortcuts" | null): void => shown.set({ overlay });
