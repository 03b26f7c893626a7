/** Before an admin ends what is another's. */
import type { AdminEnvironment } from "@microterm/protocol";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { client } from "../../api/queries.ts";
import { Question } from "../../parts/form/question.tsx";
import { useLatest } from "../../parts/form/use-latest.ts";
import { Plain } from "../../parts/plain.tsx";
import { ENVIRONMENTS_KEY } from "./keys.ts";

/** `environment` null: not asked. */
export interface ForeignProps {
  readonly environment: AdminEnvironment | null;
  readonly onClose: () => void;
}

interface ActProps extends ForeignProps {
  readonly verb: string;
  readonly no: string;
  readonly busy: string;
  readonly act: (id: string) => Promise<unknown>;
  readonly children: ReactNode;
}

const ForeignQuestion = ({ environment, onClose, verb, no, busy, act, children }: ActProps) => {
  const cache = useQueryClient();
  const shown = useLatest(environment);
  const acting = useMutation({
    mutationFn: act,
    onSuccess: onClose,
    onSettled: () => cache.invalidateQueries({ queryKey: ENVIRONMENTS_KEY }),
  });
  const close = (): void => {
    acting.reset();
    onClose();
  };
  return (
    <Question
      title={
        <>
          {verb} <Plain text={shown?.name ?? ""} /> of <Plain text={shown?.ownerName ?? ""} />?
        </>
      }
      isOpen={environment !== null}
      no={no}
      yes={verb}
      busy={acting.isPending ? busy : null}
      error={acting.error}
      onNo={close}
      onYes={() => environment && acting.mutate(environment.id)}
    >
      {children}
    </Question>
  );
};

export const StopForeignQuestion = (props: ForeignProps) => (
  <ForeignQuestion
    {...props}
    verb="Stop"
    no="Keep it running"
    busy="Stopping…"
    act={(id) => client.environments.stop(id)}
  >
    <p>Whatever runs in it ends. Its disk is kept.</p>
  </ForeignQuestion>
);

export const RemoveForeignQuestion = (props: ForeignProps) => (
  <ForeignQuestion {...props} verb="Remove" no="Keep it" busy="Removing…" act={(id) => client.environments.remove(id)}>
    <p>Its terminals end and its disk is deleted. This can't be undone.</p>
  </ForeignQuestion>
);
