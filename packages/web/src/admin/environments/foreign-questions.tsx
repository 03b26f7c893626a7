/** Before an admin ends what is another's, or looks into it. */
import type { AdminEnvironment } from "@microterm/protocol";
import type { ReactNode } from "react";
import { client } from "../../api/queries.ts";
import { Plain } from "../../parts/plain.tsx";
import { ActQuestion } from "../act-question.tsx";
import { ENVIRONMENTS_KEY } from "./keys.ts";

/** `environment` null: not asked. */
export interface ForeignProps {
  readonly environment: AdminEnvironment | null;
  readonly onClose: () => void;
}

interface ForeignQuestionProps extends ForeignProps {
  /** Begins its title. */
  readonly verb: string;
  /** Null: there is nothing to do it to. */
  readonly yes?: string | null;
  readonly no: string;
  readonly busy: string;
  readonly act: (id: string) => Promise<unknown>;
  readonly children: ReactNode;
}

export const ForeignQuestion = ({ environment, verb, yes = verb, children, ...rest }: ForeignQuestionProps) => (
  <ActQuestion
    {...rest}
    yes={yes}
    subject={environment}
    title={({ name, ownerName }) => (
      <>
        {verb} <Plain text={name} /> of <Plain text={ownerName} />?
      </>
    )}
    changes={ENVIRONMENTS_KEY}
  >
    {() => children}
  </ActQuestion>
);

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
