import type { AccountIdentity, SignInWays } from "@microterm/protocol";
import { plainText } from "@microterm/protocol/text";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { administration } from "../api/administration.ts";
import { client } from "../api/queries.ts";
import { momentWords } from "../parts/account/people-words.ts";
import { Button } from "../parts/button.tsx";
import { FailureNote } from "../parts/failure.tsx";
import { Plain } from "../parts/plain.tsx";
import { Row, Rows, Section } from "../parts/sheet.tsx";
import { useNow } from "../parts/use-now.ts";
import { agoWords } from "../parts/words.ts";
import { calledAt, IDENTITIES_KEY } from "./identities.ts";
import { LinkOutcome } from "./link-outcome.tsx";
import { UnlinkQuestion } from "./unlink-question.tsx";

const IdentityRow = ({ identity, onUnlink }: { readonly identity: AccountIdentity; readonly onUnlink: () => void }) => {
  const now = useNow(30_000);
  const { issuer, createdAt, lastUsedAt } = identity;
  const name = calledAt(identity);
  return (
    <Row
      actions={
        <Button look="quiet" needsServer aria-label={`Unlink ${plainText(name, { max: 128 })}`} onClick={onUnlink}>
          Unlink
        </Button>
      }
    >
      <p className="truncate font-medium">
        <Plain text={name} />
      </p>
      <p className="text-muted">
        <Plain text={issuer.replace(/^https?:\/\//, "")} /> · linked {momentWords(createdAt)} ·{" "}
        {lastUsedAt === null ? "not used since" : `used ${agoWords(Date.parse(lastUsedAt), now)}`}
      </p>
    </Row>
  );
};

interface IdentitiesProps {
  readonly provider: NonNullable<SignInWays["oidc"]>;
  /** What came of linking one, from which the page was led back to; null: it was not. */
  readonly outcome: string | null;
}

const Identities = ({ provider, outcome }: IdentitiesProps) => {
  const [shown, setShown] = useState(outcome);
  const [asked, setAsked] = useState<AccountIdentity | null>(null);
  const linkButton = useRef<HTMLButtonElement>(null);
  const identities = useQuery({
    queryKey: IDENTITIES_KEY,
    queryFn: () => administration.account.identities(),
    staleTime: 0,
  });
  const link = useMutation({
    mutationFn: () => administration.account.linkIdentity(),
    onMutate: () => setShown(null),
    onSuccess: (url) => location.assign(url),
  });
  const failed = [link, identities].find(({ isError }) => isError);
  const name = <Plain text={provider.name} />;
  return (
    <Section
      title="Identities"
      words={<>Who you are at {name}. What is linked here signs you in to this account.</>}
      actions={
        <Button
          ref={linkButton}
          needsServer
          busy={link.isPending ? "Going there…" : null}
          onClick={() => link.mutate()}
        >
          Link an identity
        </Button>
      }
    >
      {shown !== null && <LinkOutcome outcome={shown} provider={name} />}
      {failed && <FailureNote error={failed.error} className="mb-3" />}
      {identities.isPending && (
        <p role="status" className="text-muted">
          Loading identities…
        </p>
      )}
      {identities.data?.length === 0 && (
        <p className="text-muted">
          None is linked. Link yours, and “Continue with {name}” on the sign-in page leads to this account, without its
          password. Until then it leads to another account, or to none.
        </p>
      )}
      {identities.data && identities.data.length > 0 && (
        <Rows label="Identities">
          {identities.data.map((identity) => (
            <IdentityRow
              key={identity.id}
              identity={identity}
              onUnlink={() => {
                setShown(null);
                setAsked(identity);
              }}
            />
          ))}
        </Rows>
      )}
      <UnlinkQuestion identity={asked} focusAfter={linkButton} onClose={() => setAsked(null)} />
    </Section>
  );
};

/** Who one is at the provider, where the instance has one. */
export const IdentitySection = ({ outcome }: Pick<IdentitiesProps, "outcome">) => {
  const ways = useQuery({ queryKey: ["sign-in"], queryFn: () => client.session.ways() });
  const navigate = useNavigate();
  const first = useRef(outcome);
  useEffect(() => {
    // Told once: a reload, or a bookmark, says nothing of it again.
    if (first.current !== null) void navigate({ to: "/account", search: {}, replace: true });
  }, [navigate]);
  const provider = ways.data?.oidc;
  return provider ? <Identities provider={provider} outcome={first.current} /> : null;
};
