/** Where a tab keeps its terminals' screens, and how they are forgotten with the session that they belong to. */

export const PREFIX = "microterm.screen.";

export type Storage = Pick<globalThis.Storage, "getItem" | "setItem" | "removeItem" | "key" | "length">;

export const keysOf = (storage: Storage): string[] =>
  Array.from({ length: storage.length }, (_, i) => storage.key(i) ?? "").filter((key) => key.startsWith(PREFIX));

export const remove = (storage: Storage, key: string): void => {
  try {
    storage.removeItem(key);
  } catch {
    // Storage that is switched off holds nothing to remove.
  }
};

let ended = 0;

/** A store of a session before keeps nothing more. */
export const endedSessions = (): number => ended;

/** A session is over: nothing that was on its screens stays in the tab, nor comes back when the page is left. */
export const forgetScreens = (storage: Storage): void => {
  ended++;
  try {
    for (const key of keysOf(storage)) remove(storage, key);
  } catch {
    // As above.
  }
};
