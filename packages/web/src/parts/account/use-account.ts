import type { AccountSummary } from "@microterm/protocol";
import { useQuery } from "@tanstack/react-query";
import { sessionQuery } from "../../api/queries.ts";

/** Who is signed in; null before that is known. */
export const useAccount = (): AccountSummary | null => useQuery(sessionQuery).data?.account ?? null;

/** What a role may not do is not shown. The server refuses it all the same. */
export const useIsAdmin = (): boolean => useAccount()?.role === "admin";
export const useHasEnvironments = (): boolean => {
  const role = useAccount()?.role;
  return role === "admin" || role === "member";
};
