import { useSyncExternalStore } from "react";

const subscribe = (listener: () => void): (() => void) => {
  addEventListener("hashchange", listener);
  return () => removeEventListener("hashchange", listener);
};

/** The code of a link's fragment, which stays in the address until it is used up: a reload does not lose it. Empty: there is none. */
export const useCode = (): string => useSyncExternalStore(subscribe, () => location.hash.slice(1));
