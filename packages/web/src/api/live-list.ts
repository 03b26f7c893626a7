/**
 * One list of environments from two sources: answers to requests, which are as old as the moment the server made them,
 * and the event stream, which is newer than any request that was under way when an event came.
 */
import type { Environment } from "@microterm/protocol";

export interface LiveList {
  /** Taken before a request is sent. */
  mark(): number;
  /** An answer's list, updated by all events since the request's mark. */
  updated(list: readonly Environment[], mark: number): Environment[];
  /** An event came; `null`: removed. Returns the list with it. */
  changed(list: readonly Environment[], id: string, environment: Environment | null): Environment[];
  /** The answer of a create: events about it may have come before. */
  created(list: readonly Environment[], made: Environment): Environment[];
}

/** Events are needed while a request is under way; the last ones of this many environments are kept. */
const MAX_KEPT = 1000;

export const createLiveList = (): LiveList => {
  let count = 0;
  const last = new Map<string, { readonly at: number; readonly environment: Environment | null }>();
  const put = (list: readonly Environment[], id: string, environment: Environment | null): Environment[] => {
    const others = list.filter((one) => one.id !== id);
    return environment === null ? others : [...others, environment];
  };
  return {
    mark: () => count,
    updated(list, mark) {
      let result = [...list];
      for (const [id, { at, environment }] of last) if (at > mark) result = put(result, id, environment);
      return result;
    },
    changed(list, id, environment) {
      last.delete(id);
      last.set(id, { at: ++count, environment });
      for (const oldest of last.keys()) {
        if (last.size <= MAX_KEPT) break;
        last.delete(oldest);
      }
      return put(list, id, environment);
    },
    created: (list, made) => (last.has(made.id) || list.some(({ id }) => id === made.id) ? [...list] : [...list, made]),
  };
};
