import type { AccountSession } from "@microterm/protocol";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { administration } from "../api/administration.ts";
import { momentWords } from "../parts/account/people-words.ts";
import { Button } from "../parts/button.tsx";
import { FailureNote } from "../parts/failure.tsx";
import { Plain } from "../parts/plain.tsx";
import { Row, Rows, Section } from "../parts/sheet.tsx";
import { useNow } from "../parts/use-now.ts";
import { agoWords } from "../parts/words.ts";

const QUERY_KEY = ["account", "sessions"];
/** Others come and go. */
const LOOK_MS = 15_000;

interface RowProps {
  readonly session: AccountSession;
  readonly isEnding: boolean;
  readonly onEnd: () => void;
}

const SessionRow = ({ session, isEnding, onEnd }: RowProps) => {
  const now = useNow(30_000);
  const { device, address, isCurrent, createdAt, lastUsedAt } = session;
  const name = device ?? "Unknown device";
  return (
    <Row
      actions={
        !isCurrent && (
          <Button
            look="quiet"
            needsServer
            busy={isEnding ? "Ending…" : null}
            aria-label={`End it: the session of ${name}, signed in ${momentWords(createdAt)}`}
            onClick={onEnd}
          >
            End it
          </Button>
        )
      }
    >
      <p className="truncate font-medium">
        <Plain text={name} />
        {isCurrent && <span className="ml-2 font-normal text-ok">this one</span>}
      </p>
      <p className="text-muted">
        {address ?? "unknown address"} · signed in {momentWords(createdAt)}
        {!isCurrent && ` · ${lastUsedAt === null ? "not used since" : `used ${agoWords(Date.parse(lastUsedAt), now)}`}`}
      </p>
    </Row>
  );
};

/** Where one is signed in. */
export const SessionSection = () => {
  const cache = useQueryClient();
  const sessions = useQuery({
    queryKey: QUERY_KEY,
    queryFn: () => administration.account.sessions(),
    staleTime: 0,
    refetchInterval: LOOK_MS,
  });
  const refresh = (): Promise<void> => cache.invalidateQueries({ queryKey: QUERY_KEY });
  const end = useMutation({ mutationFn: (id: string) => administration.account.endSession(id), onSettled: refresh });
  const endOthers = useMutation({ mutationFn: () => administration.account.endOtherSessions(), onSettled: refresh });
  const failed = [end, endOthers, sessions].find(({ isError }) => isError);
  const hasOthers = sessions.data?.some(({ isCurrent }) => !isCurrent) === true;
  return (
    <Section
      title="Sessions"
      words="Where you are signed in. What a session has opened, such as a terminal, is closed with it."
      actions={
        hasOthers && (
          <Button needsServer busy={endOthers.isPending ? "Ending…" : null} onClick={() => endOthers.mutate()}>
            End all others
          </Button>
        )
      }
    >
      {failed && <FailureNote error={failed.error} className="mb-3" />}
      {sessions.isPending && (
        <p role="status" className="text-muted">
          Loading sessions…
        </p>
      )}
      {sessions.data && (
        <Rows label="Sessions">
          {sessions.data
            .toSorted((a, b) => Number(b.isCurrent) - Number(a.isCurrent) || b.createdAt.localeCompare(a.createdAt))
            .map((session) => (
              <SessionRow
                key={session.id}
                session={session}
                isEnding={end.isPending && end.variables === session.id}
                onEnd={() => end.mutate(session.id)}
              />
            ))}
        </Rows>
      )}
    </Section>
  );
};
