import type { Account } from "@microterm/protocol";
import { useId, useState } from "react";
import { administration } from "../../api/administration.ts";
import { CONTROL } from "../../parts/form/field.tsx";
import { Plain } from "../../parts/plain.tsx";
import { ActQuestion } from "../act-question.tsx";
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
  const graceId = useId();
  const [graceSeconds, setGrace] = useState(86_400);
  return (
    <ActQuestion
      subject={account}
      title={({ name }) => (
        <>
          Disable <Plain text={name} />?
        </>
      )}
      no="Leave it enabled"
      yes="Disable"
      busy="Disabling…"
      act={(id) => administration.accounts.update(id, { disabled: true, graceSeconds })}
      changes={ACCOUNTS_KEY}
      onClose={onClose}
    >
      {({ environments }) => (
        <>
          <p>Its sessions and tokens end now, and nobody signs in with it until it is enabled again.</p>
          {environments > 0 && (
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
        </>
      )}
    </ActQuestion>
  );
};
