import type { Account } from "@microterm/protocol";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useId, useState } from "react";
import { administration } from "../../api/administration.ts";
import { CONTROL } from "../../parts/form/field.tsx";
import { Question } from "../../parts/form/question.tsx";
import { Plain } from "../../parts/plain.tsx";
import { useLatest } from "../use-latest.ts";
import { ACCOUNTS_KEY } from "./keys.ts";

const GRACE = [
  [0, "at once"],
  [3600, "in 1 hour"],
  [86_400, "in 24 hours"],
  [604_800, "in 7 days"],
] as const;

/** `account` null: not asked. */
export interface AccountQuestionProps {
  readonly account: Account | null;
  readonly onClose: () => void;
}

/** Before somebody is shut out. */
export const DisableQuestion = ({ account, onClose }: AccountQuestionProps) => {
  const cache = useQueryClient();
  const shown = useLatest(account);
  const graceId = useId();
  const [graceSeconds, setGrace] = useState(86_400);
  const disable = useMutation({
    mutationFn: (id: string) => administration.accounts.update(id, { disabled: true, graceSeconds }),
    onSuccess: onClose,
    onSettled: () => cache.invalidateQueries({ queryKey: ACCOUNTS_KEY }),
  });
  const close = (): void => {
    disable.reset();
    onClose();
  };
  return (
    <Question
      title={
        <>
          Disable <Plain text={shown?.name ?? ""} />?
        </>
      }
      isOpen={account !== null}
      no="Leave it enabled"
      yes="Disable"
      busy={disable.isPending ? "Disabling…" : null}
      error={disable.error}
      onNo={close}
      onYes={() => account && disable.mutate(account.id)}
    >
      <p>Its sessions and tokens end now, and nobody signs in with it until it is enabled again.</p>
      {shown !== null && shown.environments > 0 && (
        <div className="grid gap-1">
          <label htmlFor={graceId}>What it has running is stopped</label>
          <select
            id={graceId}
            value={graceSeconds}
            onChange={({ currentTarget }) => setGrace(Number(currentTarget.value))}
            className={`${CONTROL} text-text`}
          >
            {GRACE.map(([seconds, words]) => (
              <option key={seconds} value={seconds}>
                {words}
              </option>
            ))}
          </select>
        </div>
      )}
    </Question>
  );
};
