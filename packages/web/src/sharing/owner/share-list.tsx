import type { Share, ShareGrant } from "@microterm/protocol";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { client } from "../../api/queries.ts";
import { momentWords } from "../../parts/account/people-words.ts";
import { Button } from "../../parts/button.tsx";
import { FailureNote } from "../../parts/failure.tsx";
import { PersonName } from "../person-name.tsx";
import { MAY_WORDS, personWords } from "../words.ts";
import { sharesKey } from "./shares-key.ts";

const LOOK_MS = 5000;

const kindWords = ({ kind, role, withoutAccount }: Share): string => {
  if (kind === "look-in") return "An admin looks in";
  if (kind === "account") return "With one account";
  return `A link to ${role === "viewer" ? "look on" : "type"}${withoutAccount ? ", also without an account" : ""}`;
};

const usesWords = (usesLeft: number | null): string => {
  if (usesLeft === null) return "";
  return ` · for ${usesLeft === 0 ? "nobody" : usesLeft === 1 ? "1 person" : `${usesLeft} people`} more`;
};

interface RowProps {
  readonly share: Share;
  readonly isEnding: boolean;
  readonly onEnd: () => void;
  readonly onRemove: (grant: ShareGrant) => void;
}

const ShareRow = ({ share, isEnding, onEnd, onRemove }: RowProps) => (
  <li className="border-b border-border px-3 py-1.5 last:border-0">
    <div className="flex min-h-8 items-center gap-3">
      <p className="min-w-0 flex-1">
        {kindWords(share)}
        <span className="block text-muted">
          until {momentWords(share.expiresAt)}
          {usesWords(share.usesLeft)}
        </span>
      </p>
      <Button
        look="quiet"
        needsServer
        className="pointer-coarse:h-11"
        busy={isEnding ? "Ending it…" : null}
        aria-label={`End it: ${kindWords(share)}, until ${momentWords(share.expiresAt)}`}
        onClick={onEnd}
      >
        End it
      </Button>
    </div>
    {share.grants.length > 0 && (
      <ul aria-label="Who was let in" className="max-h-40 overflow-y-auto border-l-2 border-border pl-3">
        {share.grants.map((grant) => (
          <li key={grant.id} className="flex min-h-8 items-center gap-2">
            <PersonName of={grant} />
            <span className="truncate text-muted">{grant.isAsking ? "asks to type" : MAY_WORDS[grant.role]}</span>
            {share.kind === "link" && (
              <Button
                look="quiet"
                needsServer
                className="ml-auto pointer-coarse:h-11"
                aria-label={`Remove ${personWords(grant)}`}
                onClick={() => onRemove(grant)}
              >
                Remove
              </Button>
            )}
          </li>
        ))}
      </ul>
    )}
  </li>
);

/** What is shared of a terminal, each to be ended at once. */
export const ShareList = ({ environment, terminal }: { readonly environment: string; readonly terminal: string }) => {
  const cache = useQueryClient();
  const queryKey = sharesKey(environment);
  const shares = useQuery({
    queryKey,
    queryFn: () => client.sharing.list(environment),
    staleTime: 0,
    refetchInterval: LOOK_MS,
  });
  const onSettled = (): Promise<void> => cache.invalidateQueries({ queryKey });
  const end = useMutation({ mutationFn: (share: string) => client.sharing.revoke(environment, share), onSettled });
  const remove = useMutation({
    mutationFn: (grant: string) => client.sharing.removeGrant(environment, grant),
    onSettled,
  });
  const failed = [end, remove, shares].find(({ isError }) => isError);
  const own = shares.data?.filter((share) => share.terminal === terminal) ?? [];
  return (
    <section className="mt-4">
      <h3 className="mb-1 text-muted">Shared now</h3>
      {failed && <FailureNote error={failed.error} className="mb-2" />}
      {shares.isPending && <p role="status">Looking what is shared…</p>}
      {shares.data && own.length === 0 && <p>Nobody but you sees this terminal.</p>}
      {own.length > 0 && (
        <ul aria-label="Shared now" className="rounded-md border border-border">
          {own.map((share) => (
            <ShareRow
              key={share.id}
              share={share}
              isEnding={end.isPending && end.variables === share.id}
              onEnd={() => end.mutate(share.id)}
              onRemove={({ id }) => remove.mutate(id)}
            />
          ))}
        </ul>
      )}
    </section>
  );
};
