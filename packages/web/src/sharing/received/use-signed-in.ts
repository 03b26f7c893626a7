import type { AccountSummary } from "@microterm/protocol";
import { useQuery } from "@tanstack/react-query";
import { client } from "../../api/queries.ts";
import { isSignedOut } from "../../api/signed-out.ts";

/** Who is signed in, on pages that need nobody to be: null where nobody is, undefined before that is known. */
export const useSignedIn = (): AccountSummary | null | undefined =>
  useQuery({
    queryKey: ["signed-in"],
    queryFn: async () => {
      try {
        return (await client.session.current()).account;
      } catch (error) {
        if (isSignedOut(error)) return null;
        throw error;
      }
    },
  }).data;
