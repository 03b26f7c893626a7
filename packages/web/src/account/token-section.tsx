import type { AccountToken, IssuedToken, Role } from "@microterm/protocol";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { administration } from "../api/administration.ts";
import { momentWords } from "../parts/account/people-words.ts";
import { Button } from "../parts/button.tsx";
import { FailureNote } from "../parts/failure.tsx";
import { ShownOnce } from "../parts/form/shown-once.tsx";
import { Window } from "../parts/form/window.tsx";
import { Plain } from "../parts/plain.tsx";
import { Row, Rows, Section } from "../parts/sheet.tsx";
import { useNow } from "../parts/use-now.ts";
import { agoWords } from "../parts/words.ts";
import { TokenForm } from "./token-form.tsx";

const QUERY_KEY = ["account", "tokens"];

const useWords = ({ scopes, expiresAt, lastUsedAt, address }: AccountToken): string => {
  const now = useNow(30_000);
  const isOver = expiresAt !== null && Date.parse(expiresAt) <= now;
  return [
    scopes === null ? "all scopes" : scopes.join(", "),
    expiresAt === null ? "does not end" : `${isOver ? "ended" : "until"} ${momentWords(expiresAt)}`,
    lastUsedAt === null
      ? "never used"
      : `used ${agoWords(Date.parse(lastUsedAt), now)}${address === null ? "" : ` from ${address}`}`,
  ].join(" · ");
};

const TokenRow = ({ token, isEnding, onEnd }: { token: AccountToken; isEnding: boolean; onEnd: () => void }) => (
  <Row
    actions={
      <Button
        look="quiet"
        needsServer
        busy={isEnding ? "Revoking…" : null}
        aria-label={`Revoke ${token.name}`}
        onClick={onEnd}
      >
        Revoke
      </Button>
    }
  >
    <p className="truncate font-medium">
      <Plain text={token.name} />
    </p>
    <p className="text-muted">{useWords(token)}</p>
  </Row>
);

/** By what programs act for one. */
export const TokenSection = ({ role }: { readonly role: Role }) => {
  const cache = useQueryClient();
  const [isMaking, setMaking] = useState(false);
  const [made, setMade] = useState<IssuedToken | null>(null);
  const tokens = useQuery({ queryKey: QUERY_KEY, queryFn: () => administration.account.tokens(), staleTime: 0 });
  const refresh = (): Promise<void> => cache.invalidateQueries({ queryKey: QUERY_KEY });
  const revoke = useMutation({
    mutationFn: (id: string) => administration.account.removeToken(id),
    onSettled: refresh,
  });
  const failed = [revoke, tokens].find(({ isError }) => isError);
  const close = (): void => {
    setMaking(false);
    setMade(null);
  };
  return (
    <Section
      title="API tokens"
      words={
        <>
          For the command line and programs elsewhere: <code className="font-mono">MICROTERM_TOKEN</code> takes one.
        </>
      }
      actions={
        <Button needsServer onClick={() => setMaking(true)}>
          New token
        </Button>
      }
    >
      {failed && <FailureNote error={failed.error} className="mb-3" />}
      {tokens.isPending && (
        <p role="status" className="text-muted">
          Loading tokens…
        </p>
      )}
      {tokens.data?.length === 0 && <p className="text-muted">You have no tokens.</p>}
      {tokens.data && tokens.data.length > 0 && (
        <Rows label="API tokens">
          {tokens.data.map((token) => (
            <TokenRow
              key={token.id}
              token={token}
              isEnding={revoke.isPending && revoke.variables === token.id}
              onEnd={() => revoke.mutate(token.id)}
            />
          ))}
        </Rows>
      )}
      <Window title={made ? "The token is made" : "New API token"} isOpen={isMaking} onClose={close}>
        {made ? (
          <div className="grid gap-4">
            <ShownOnce label={made.name} text={made.token} words="Keep it as you keep a password." />
            <Button look="primary" className="justify-self-end" onClick={close}>
              Done
            </Button>
          </div>
        ) : (
          <TokenForm
            role={role}
            onMade={(token) => {
              setMade(token);
              void refresh();
            }}
          />
        )}
      </Window>
    </Section>
  );
};
