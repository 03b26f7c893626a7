import type { Person, ShareRole } from "@microterm/protocol";
import { useMutation } from "@tanstack/react-query";
import { client } from "../../api/queries.ts";

type Grantee = Pick<Person, "grant">;

/** What an owner does about those who are let in. Who is there tells itself of it (PRESENCE). */
export const useKeyboard = (environment: string) => {
  const change = async (people: readonly Grantee[], role: ShareRole): Promise<void> => {
    for (const { grant } of people) if (grant !== null) await client.sharing.setRole(environment, grant, role);
  };
  const give = useMutation({ mutationFn: (person: Grantee) => change([person], "editor") });
  /** Takes it from who has it, and from who asks the wish. */
  const take = useMutation({ mutationFn: (person: Grantee) => change([person], "viewer") });
  /** Nobody but `to` and the owner types then. First given, as that may be refused: nobody has lost it then. */
  const handOver = useMutation({
    mutationFn: async ({ from, to }: { readonly from: readonly Grantee[]; readonly to: Grantee }) => {
      await change([to], "editor");
      await change(from, "viewer");
    },
  });
  const remove = useMutation({
    mutationFn: async ({ grant }: Grantee) => {
      if (grant !== null) await client.sharing.removeGrant(environment, grant);
    },
  });
  return { give, take, handOver, remove, failed: [give, take, handOver, remove].find(({ isError }) => isError) };
};
