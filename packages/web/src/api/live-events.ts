/** Keeps the list of environments as the server has it, by its event stream. */
import type { Environment } from "@microterm/protocol";
import type { QueryClient } from "@tanstack/react-query";
import { useEffect, useSyncExternalStore } from "react";
import { client, environmentsQuery, sessionQuery } from "./queries.ts";

export const upsert = (list: readonly Environment[], changed: Environment): Environment[] => [
  ...list.filter((one) => one.id !== changed.id),
  changed,
];

let isConnected = true;
const listeners = new Set<() => void>();
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
      // The stream tells what there is, not what was removed while nobody listened.
      if (!isFirst) void cache.invalidateQueries({ queryKey: key });
      isFirst = false;
    },
    onEnvironment: (changed) => cache.setQueryData(key, (list) => list && upsert(list, changed)),
    onRemoved: (id) => cache.setQueryData(key, (list) => list?.filter((one) => one.id !== id)),
    // A stream that is cut and opened again at once is not worth a word.
    onDisconnected: (delayMs) => setConnected(delayMs < 400),
    onRefused: () => void cache.invalidateQueries({ queryKey: sessionQuery.queryKey }),
  });
  return () => {
    subscription.close();
    setConnected(true);
  };
};

export const useLiveEvents = (cache: QueryClient, isEnabled: boolean): void => {
  useEffect(() => (isEnabled ? follow(cache) : undefined), [cache, isEnabled]);
};

/** False while the server does not answer. */
export const useIsConnected = (): boolean =>
  useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => isConnected,
  );
