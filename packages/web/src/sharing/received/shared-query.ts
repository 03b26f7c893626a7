import { queryOptions } from "@tanstack/react-query";
import { client } from "../../api/queries.ts";
import { isSignedOut } from "../../api/signed-out.ts";

const LOOK_MS = 15_000;

/** What is shared with the account that is signed in, else with this browser. */
export const sharedQuery = queryOptions({
  queryKey: ["shared-with-me"],
  queryFn: async () => {
    try {
      return await client.sharing.shared();
    } catch (error) {
      // A browser that nothing is shared with.
      if (isSignedOut(error)) return [];
      throw error;
    }
  },
  staleTime: 0,
  refetchInterval: LOOK_MS,
  refetchOnWindowFocus: true,
});
