import type { Account } from "@microterm/protocol";
import { administration } from "../../api/administration.ts";
import { Plain } from "../../parts/plain.tsx";
import { ActQuestion } from "../act-question.tsx";
import type { AccountQuestionProps } from "./disable-question.tsx";
import { ACCOUNTS_KEY } from "./keys.ts";

const lossWords = ({ environments: count }: Account): string =>
  count === 0
    ? "It has no environments."
    : `Its ${count === 1 ? "environment is" : `${count} environments are`} removed with it, with their disks.`;

/** Before an account is removed, with all it has. */
export const RemoveQuestion = ({ account, onClose }: AccountQuestionProps) => (
  <ActQuestion
    subject={account}
    title={({ name }) => (
      <>
        Remove <Plain text={name} />?
      </>
    )}
    no="Keep it"
    yes="Remove"
    busy="Removing…"
    act={(id) => administration.accounts.remove(id, { destroysEnvironments: true })}
    changes={ACCOUNTS_KEY}
    onClose={onClose}
  >
    {(shown) => <p>{lossWords(shown)} This can't be undone.</p>}
  </ActQuestion>
);
