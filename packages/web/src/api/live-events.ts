/** Keeps the list of environments as the server has it, by its event stream. */
import type { QueryClient } from "@tanstack/react-query";
import { useEffect, useState, useSyncExternalStore } from "react";
import { client, environmentsQuery, liveList } from "./queries.ts";
import { checkSession } from "./signed-out.ts";

let isConnected = true;
const listeners = new Set<() => void>();
let retry = (): void => undefined;
const setConnected = (value: boolean): void => {
  if (value === isConnected) return;
  isConnected = value;
  for (const listener of listeners) listener();
};

const follow = (cache: QueryClient, onSignedIn: () => void): (() => void) => {
  const key = environmentsQuery.queryKey;
  let isFirst = true;
  let isClosed = false;
  const subscription = client.followEvents({
    onConnected: () => {
      setConnected(true);
      // The stream tells what there is, not what was removed during a disconnection.
      if (!isFirst) void cache.invalidateQueries({ queryKey: key });
      isFirst = false;
    },
    // Before the first list there is nothing to change, and liveList updates that list when it comes.
    onEnvironment: (one) => {
      const changed = liveList.changed(cache.getQueryData(key) ?? [], one.id, one);
      cache.setQueryData(key, (list) => list && changed);
    },
    onRemoved: (id) => {
      const changed = liveList.changed(cache.getQueryData(key) ?? [], id, null);
      cache.setQueryData(key, (list) => list && changed);
    },
    // A stream that is cut and opened again at once is not worth a word; one that said nothing for long has been away already.
    onDisconnected: (delayMs, isSilent) => {
      if (isSilent || delayMs >= 400) setConnected(false);
    },
    onRefused: () => {
      // An account that is signed in by another session meanwhile follows on by that.
      void checkSession(cache).then((isSignedIn) => isSignedIn && !isClosed && onSignedIn());
    },
  });
  retry = () => subscription.reconnectNow();
  return () => {
    isClosed = true;
    subscription.close();
    setConnected(true);
  };
};

export const useLiveEvents = (cache: QueryClient, isEnabled: boolean): void => {
  const [session, setSession] = useState(0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another session is followed anew.
  useEffect(
    () => (isEnabled ? follow(cache, () => setSession((count) => count + 1)) : undefined),
    [cache, isEnabled, session],
  );
};

/** Something else has just reached the server: the event stream need not wait for its next try. */
export const retryLiveEvents = (): void => retry();

/** False while the server does not answer. */
export const useIsConnected = (): boolean =>
  useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => isConnected,
  );
