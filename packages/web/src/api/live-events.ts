/** Keeps the list of environments as the server has it, by its event stream. */
import type { QueryClient } from "@tanstack/react-query";
import { useEffect, useSyncExternalStore } from "react";
import { client, environmentsQuery, liveList, sessionQuery } from "./queries.ts";

let isConnected = true;
const listeners = new Set<() => void>();
let retry = (): void => undefined;
const setConnected = (value: boolean): void => {
  if (value === isConnected) return;
  isConnected = value;
  for (const listener of listeners) listener();
};

const follow = (cache: QueryClient): (() => void) => {
  const key = environmentsQuery.queryKey;
  let isFirst = true;
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
    onRefused: () => void cache.invalidateQueries({ queryKey: sessionQuery.queryKey }),
  });
  retry = () => subscription.reconnectNow();
  return () => {
    subscription.close();
    setConnected(true);
  };
};

export const useLiveEvents = (cache: QueryClient, isEnabled: boolean): void => {
  useEffect(() => (isEnabled ? follow(cache) : undefined), [cache, isEnabled]);
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
