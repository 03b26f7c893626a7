import type { HostStatus, Session } from "@microterm/protocol";
import { ConnectionError, createClient, RequestError } from "@microterm/sdk";
import { MutationCache, QueryCache, QueryClient, type QueryKey, queryOptions } from "@tanstack/react-query";
import { createLiveList } from "./live-list.ts";
import { fetchWithKey, openSocketWithKey } from "./session-key.ts";

/** The server that this page came from, with the session's cookie and key. */
export const client = createClient({ url: "", fetch: fetchWithKey, openSocket: openSocketWithKey });

/** What is told of every request that was refused; `queryKey` is null for one that changes something. */
export type RefusalHandler = (error: RequestError, queryKey: QueryKey | null) => void;

export const createQueryClient = (onRefused: RefusalHandler): QueryClient =>
  new QueryClient({
    queryCache: new QueryCache({
      onError: (error, { queryKey }) => error instanceof RequestError && onRefused(error, queryKey),
    }),
    mutationCache: new MutationCache({
      onError: (error) => error instanceof RequestError && onRefused(error, null),
    }),
    defaultOptions: {
      queries: {
        refetchOnWindowFocus: false,
        // A server that restarts is back within seconds; a refusal stays one.
        retry: (_, error) => error instanceof ConnectionError,
        retryDelay: (failures) => Math.min(5000, 300 * 2 ** failures),
      },
      mutations: { retry: false },
    },
  });

const SESSION = ["session"] as const;

export const sessionQuery = queryOptions({
  queryKey: SESSION,
  queryFn: async ({ client: cache }) => {
    const session = await client.session.current();
    const known = cache.getQueryData<Session>(SESSION);
    if (known === undefined || known.account.id === session.account.id) return session;
    // Another tab has signed in as somebody else: a new page, so that nothing of the session before is shown to them.
    location.assign("/");
    return known;
  },
  staleTime: Number.POSITIVE_INFINITY,
});

/** What is being prepared changes by itself: asked again while it does, and now and then otherwise. */
const BUSY_MS = 2000;
const QUIET_MS = 30_000;

const isPreparing = ({ templates, pool }: HostStatus): boolean =>
  pool.ready < pool.wanted || templates.some(({ state }) => state === "building" || state === "waiting");

export const hostQuery = queryOptions({
  queryKey: ["host"],
  queryFn: () => client.host(),
  staleTime: BUSY_MS,
  refetchInterval: ({ state }) => (state.data && isPreparing(state.data) ? BUSY_MS : QUIET_MS),
});

export const liveList = createLiveList();

/** Kept fresh by live-events.ts. */
export const environmentsQuery = queryOptions({
  queryKey: ["environments"],
  queryFn: async () => {
    const mark = liveList.mark();
    return liveList.updated(await client.environments.list(), mark);
  },
  staleTime: Number.POSITIVE_INFINITY,
});

export interface Failure {
  readonly message: string;
  /** The next step, where one is known. */
  readonly hint: string;
}

export const failureOf = (error: unknown): Failure => {
  if (error instanceof RequestError) {
    const origin = error.requestId === null ? "" : ` The server's log has more under request ${error.requestId}.`;
    return { message: error.message, hint: `${error.hint}${origin}` };
  }
  if (error instanceof ConnectionError)
    return { message: "The microterm server does not answer.", hint: "Is it running? Try: ./microterm status" };
  return { message: error instanceof Error ? error.message : String(error), hint: "" };
};
