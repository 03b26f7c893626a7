import type { AdminEnvironment } from "@microterm/protocol";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { administration } from "../../api/administration.ts";
import { client } from "../../api/queries.ts";
import { momentWords } from "../../parts/account/people-words.ts";
import { FailureNote } from "../../parts/failure.tsx";
import { Choice } from "../../parts/form/field.tsx";
import { useLatest } from "../../parts/form/use-latest.ts";
import { Plain } from "../../parts/plain.tsx";
import { sharedQuery } from "../../sharing/received/shared-query.ts";
import { type ForeignProps, ForeignQuestion } from "./foreign-questions.tsx";

const useTerminals = (environment: AdminEnvironment | null) =>
  useQuery({
    queryKey: ["admin", "terminals", environment?.id],
    queryFn: async () => {
      const terminals = await administration.admin.terminals(environment?.id ?? "");
      return terminals.toSorted((a, b) => a.createdAt.localeCompare(b.createdAt));
    },
    enabled: environment !== null,
    staleTime: 0,
    gcTime: 0,
  });

/** Before an admin sees what is on another's screen: which terminal, and who hears of it. */
export const LookInQuestion = ({ environment, onClose }: ForeignProps) => {
  const cache = useQueryClient();
  const navigate = useNavigate();
  const shown = useLatest(environment);
  const terminals = useTerminals(environment);
  const [chosen, setChosen] = useState("");
  const all = terminals.data ?? [];
  const terminal = all.find(({ id }) => id === chosen) ?? all[0];
  const lookIn = async (id: string): Promise<void> => {
    if (terminal === undefined) return;
    const shared = await client.sharing.lookIn(id, terminal.id);
    cache.setQueryData(sharedQuery.queryKey, (before) => [...(before ?? []), shared]);
    await navigate({ to: "/shared/$grant", params: { grant: shared.id } });
  };
  return (
    <ForeignQuestion
      {...{ environment, onClose }}
      verb="Look into"
      {...(terminal === undefined && { yes: null })}
      no="Don't look"
      busy="Opening it…"
      act={lookIn}
    >
      <p>
        You see the screen of a terminal for an hour, and do not type. That is written in the audit log, and{" "}
        <Plain text={shown?.ownerName ?? ""} className="font-medium text-text" /> is shown that you look, and when you
        did.
      </p>
      {terminals.isPending && <p role="status">Asking which terminals there are…</p>}
      {terminals.isError && <FailureNote error={terminals.error} />}
      {terminals.isSuccess && all.length === 0 && <p role="status">It has no terminal.</p>}
      {all.length > 1 && (
        <Choice
          label="Terminal"
          autoComplete="off"
          value={terminal?.id ?? ""}
          onChange={({ currentTarget }) => setChosen(currentTarget.value)}
        >
          {all.map(({ id, createdAt }, i) => (
            <option key={id} value={id}>
              Terminal {i + 1}, opened {momentWords(createdAt)}
            </option>
          ))}
        </Choice>
      )}
    </ForeignQuestion>
  );
};
