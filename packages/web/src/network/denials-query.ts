import type { NetworkPolicy } from "@microterm/protocol";
import { queryOptions } from "@tanstack/react-query";
import { client } from "../api/queries.ts";

/** Not while the window is hidden. */
const EVERY_MS = 3000;

/** What was refused under a policy: another one is another question. */
export const denialsQuery = (id: string, policy: NetworkPolicy) =>
  queryOptions({
    queryKey: ["denials", id, policy],
    queryFn: () => client.environments.denials(id),
    refetchInterval: EVERY_MS,
    gcTime: 0,
  });
