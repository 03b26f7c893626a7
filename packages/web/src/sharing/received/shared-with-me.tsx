import type { SharedTerminal } from "@microterm/protocol";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { client } from "../../api/queries.ts";
import { momentWords } from "../../parts/account/people-words.ts";
import { Button } from "../../parts/button.tsx";
import { FailureNote } from "../../parts/failure.tsx";
import { Question } from "../../parts/form/question.tsx";
import { Plain } from "../../parts/plain.tsx";
import { sharedQuery } from "./shared-query.ts";
import { WayBack } from "./way-back.tsx";

const YOU = { viewer: "look on", editor: "may type" } as const;

interface EntryProps {
  readonly of: SharedTerminal;
  readonly onLeave: () => void;
}

const Entry = ({ of: { id, kind, owner, role, isAsking, expiresAt }, onLeave }: EntryProps) => (
  <li className="flex min-h-8 items-center gap-3 border-b border-border pr-2 pl-4 hover:bg-raised/60 pointer-coarse:min-h-11">
    <Link to="/shared/$grant" params={{ grant: id }} className="truncate font-medium hover:text-accent hover:underline">
      Terminal of <Plain text={owner} />
    </Link>
    <span className="shrink-0 text-muted">
      {kind === "look-in" ? "you look in as an admin" : isAsking ? "you ask to type" : `you ${YOU[role]}`}
    </span>
    <span className="truncate text-muted max-sm:hidden">until {momentWords(expiresAt)}</span>
    <Button
      look="quiet"
      needsServer
      className="ml-auto"
      aria-label={`Leave the terminal of ${owner}`}
      onClick={onLeave}
    >
      Leave
    </Button>
  </li>
);

/** In the list: others' terminals that one may see. Nothing where there are none. */
export const SharedWithMe = () => {
  const cache = useQueryClient();
  const terminals = useQuery(sharedQuery);
  const [asked, setAsked] = useState<SharedTerminal | null>(null);
  const leave = useMutation({
    mutationFn: (grant: string) => client.sharing.leave(grant),
    onSuccess: () => setAsked(null),
    onSettled: () => cache.invalidateQueries({ queryKey: sharedQuery.queryKey }),
  });
  if (terminals.isError) return <FailureNote error={terminals.error} className="m-4" />;
  if (terminals.data === undefined || terminals.data.length === 0) return null;
  return (
    <section aria-labelledby="shared-with-me" className="max-h-[40%] shrink-0 overflow-auto border-t border-border">
      <h2 id="shared-with-me" className="px-4 pt-3 pb-1 font-normal text-muted">
        Shared with me
      </h2>
      <ul aria-labelledby="shared-with-me" className="pb-2">
        {terminals.data.map((one) => (
          <Entry key={one.id} of={one} onLeave={() => setAsked(one)} />
        ))}
      </ul>
      <Question
        title="Leave this terminal?"
        isOpen={asked !== null}
        no="Stay"
        yes="Leave"
        busy={leave.isPending ? "Leaving…" : null}
        error={leave.error}
        onNo={() => setAsked(null)}
        onYes={() => asked && leave.mutate(asked.id)}
      >
        {asked !== null && <WayBack {...asked} />}
      </Question>
    </section>
  );
};
