import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { administration } from "../../api/administration.ts";
import { momentWords, ROLE_WORDS } from "../../parts/account/people-words.ts";
import { Button } from "../../parts/button.tsx";
import { FailureNote } from "../../parts/failure.tsx";
import { Plain } from "../../parts/plain.tsx";
import { Row, Rows, Section } from "../../parts/sheet.tsx";
import { INVITATIONS_KEY } from "./keys.ts";

const LOOK_MS = 15_000;

/** Links that can still be used; their codes are known to who has them alone. */
export const InvitationList = () => {
  const cache = useQueryClient();
  const invitations = useQuery({
    queryKey: INVITATIONS_KEY,
    queryFn: () => administration.accounts.invitations(),
    staleTime: 0,
    refetchInterval: LOOK_MS,
  });
  const withdraw = useMutation({
    mutationFn: (id: string) => administration.accounts.withdrawInvitation(id),
    onSettled: () => cache.invalidateQueries({ queryKey: INVITATIONS_KEY }),
  });
  const failed = [withdraw, invitations].find(({ isError }) => isError);
  return (
    <Section title="Open invitations">
      {failed && <FailureNote error={failed.error} className="mb-3" />}
      {invitations.isPending && (
        <p role="status" className="text-muted">
          Loading invitations…
        </p>
      )}
      {invitations.data?.length === 0 && <p className="text-muted">Nobody is invited.</p>}
      {invitations.data && invitations.data.length > 0 && (
        <Rows label="Open invitations">
          {invitations.data.map(({ id, role, usesLeft, createdBy, createdAt, expiresAt }) => (
            <Row
              key={id}
              actions={
                <Button
                  look="quiet"
                  needsServer
                  busy={withdraw.isPending && withdraw.variables === id ? "Withdrawing…" : null}
                  aria-label={`Withdraw the invitation of ${momentWords(createdAt)}`}
                  onClick={() => withdraw.mutate(id)}
                >
                  Withdraw
                </Button>
              }
            >
              <p className="font-medium">
                {ROLE_WORDS[role].name}, for {usesLeft === 1 ? "one person" : `${usesLeft} people`}
              </p>
              <p className="text-muted">
                made {momentWords(createdAt)}
                {createdBy !== null && (
                  <>
                    {" "}
                    by <Plain text={createdBy} />
                  </>
                )}{" "}
                · until {momentWords(expiresAt)}
              </p>
            </Row>
          ))}
        </Rows>
      )}
    </Section>
  );
};
