import { queryOptions } from "@tanstack/react-query";
import { client } from "../api/queries.ts";

/** The event stream tells of environments alone. */
const LOOK_MS = 15_000;

/** What admins did with one's own environments. */
export const actsQuery = queryOptions({
  queryKey: ["admin-acts"],
  queryFn: () => client.environments.adminActs(),
  staleTime: 0,
  refetchInterval: LOOK_MS,
});
