import {
  type AccountSummary,
  QUOTA_MOST,
  QUOTA_NAMES,
  type QuotaLimits,
  type QuotaName,
  type Role,
} from "@microterm/protocol";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { administration } from "../../api/administration.ts";
import { ROLE_WORDS } from "../../parts/account/people-words.ts";
import { limitsOf, QUOTA_LABELS, QUOTA_UNITS } from "../../parts/account/quota-words.ts";
import { Button } from "../../parts/button.tsx";
import { FailureNote } from "../../parts/failure.tsx";
import { faultsOf } from "../../parts/form/faults.ts";
import { Field } from "../../parts/form/field.tsx";
import { useForm } from "../../parts/form/use-form.ts";
import { useLatest } from "../../parts/form/use-latest.ts";
import { Window } from "../../parts/form/window.tsx";
import { Plain } from "../../parts/plain.tsx";
import { QUOTAS_KEY } from "./keys.ts";

/** Whose quota is changed. */
export type QuotaSubject =
  | { readonly kind: "role"; readonly role: Role; readonly limits: QuotaLimits }
  | {
      readonly kind: "account";
      readonly account: AccountSummary;
      readonly limits: QuotaLimits;
      /** False: it has what its role has. */
      readonly isOwn: boolean;
    };

const numberFault = (name: QuotaName, text: string): string | null => {
  const value = Number(text);
  const isFine = text === "" || (Number.isInteger(value) && value >= 0 && value <= QUOTA_MOST[name]);
  return isFine ? null : `A whole number up to ${QUOTA_MOST[name]}, or empty.`;
};

const QuotaForm = ({ subject, onDone }: { readonly subject: QuotaSubject; readonly onDone: () => void }) => {
  const cache = useQueryClient();
  const done = async (): Promise<void> => {
    await cache.invalidateQueries({ queryKey: QUOTAS_KEY });
    onDone();
  };
  const form = useForm({
    check: ({ text }) => faultsOf(Object.fromEntries(QUOTA_NAMES.map((name) => [name, numberFault(name, text(name))]))),
    send: async ({ text }) => {
      const limits = limitsOf((name) => (text(name) === "" ? null : Number(text(name))));
      if (subject.kind === "role") await administration.quotas.setRole(subject.role, limits);
      else await administration.quotas.setAccount(subject.account.id, limits);
      await done();
    },
  });
  const reset = useMutation({
    mutationFn: (account: string) => administration.quotas.setAccount(account, null),
    onSuccess: done,
  });
  const error = form.error ?? reset.error;
  return (
    <form className="grid gap-3" noValidate onSubmit={form.onSubmit} onInput={form.onInput}>
      <p className="text-muted">An empty field is no limit. What is there already stays, also where it is more.</p>
      <div className="grid grid-cols-2 gap-3">
        {QUOTA_NAMES.map((name) => (
          <Field
            key={name}
            name={name}
            label={[QUOTA_LABELS[name], QUOTA_UNITS[name]].filter((part) => part !== undefined).join(", ")}
            inputMode="numeric"
            autoComplete="off"
            placeholder="no limit"
            defaultValue={subject.limits[name] ?? ""}
            fault={form.faults[name]}
          />
        ))}
      </div>
      {error !== null && <FailureNote error={error} />}
      <div className="flex flex-wrap justify-end gap-2">
        {subject.kind === "account" && subject.isOwn && (
          <Button
            needsServer
            busy={reset.isPending ? "Changing it…" : null}
            onClick={() => reset.mutate(subject.account.id)}
          >
            Give it what its role has
          </Button>
        )}
        <Button look="primary" type="submit" needsServer busy={form.isSending ? "Changing it…" : null}>
          Change it
        </Button>
      </div>
    </form>
  );
};

export interface QuotaWindowProps {
  /** Null: closed. */
  readonly subject: QuotaSubject | null;
  readonly onClose: () => void;
}

export const QuotaWindow = ({ subject, onClose }: QuotaWindowProps) => {
  const shown = useLatest(subject);
  if (shown === null) return null;
  const name = shown.kind === "role" ? ROLE_WORDS[shown.role].name : shown.account.name;
  return (
    <Window
      title={
        <>
          Quota of <Plain text={name} />
        </>
      }
      isOpen={subject !== null}
      onClose={onClose}
    >
      <QuotaForm key={name} subject={shown} onDone={onClose} />
    </Window>
  );
};
