/** A session that is over while the page is open: what is on the page stays, and goes on after another sign-in of the same account. */
import { RequestError } from "@microterm/sdk";
import type { QueryClient } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";
import { createStore } from "../store.ts";
import { sessionQuery } from "./queries.ts";

const store = createStore({ isOut: false });

export const isSignedOut = (error: unknown): boolean =>
  error instanceof RequestError && error.code === "UNAUTHENTICATED";

export const setSignedOut = (isOut: boolean): void => store.set({ isOut });

export const useIsSignedOut = (): boolean => useSyncExternalStore(store.subscribe, () => store.get().isOut);

/**
 * Something was refused or closed as of nobody who is signed in: asks who is. An answer that was under way before somebody
 * signed in again is as old as the session before, so that it decides nothing. Resolves to whether somebody is signed in.
 */
export const checkSession = async (cache: QueryClient): Promise<boolean> => {
  await cache.invalidateQueries({ queryKey: sessionQuery.queryKey });
  return !store.get().isOut;
};
