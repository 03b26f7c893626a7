import type { NewSession } from "@microterm/protocol";
import { client } from "../api/queries.ts";
import { Button } from "../parts/button.tsx";
import { FailureNote } from "../parts/failure.tsx";
import { emptyFault, faultsOf } from "../parts/form/faults.ts";
import { Field, PasswordField } from "../parts/form/field.tsx";
import { useForm } from "../parts/form/use-form.ts";

export interface PasswordFormProps {
  /** Whose session is to go on; null: anybody's. */
  readonly name: string | null;
  readonly onEntered: (session: NewSession) => Promise<void>;
}

/** Signs in by name and password. */
export const PasswordForm = ({ name, onEntered }: PasswordFormProps) => {
  const form = useForm({
    check: ({ text }) => faultsOf({ name: emptyFault(text("name").trim()), password: emptyFault(text("password")) }),
    send: async ({ text }) => onEntered(await client.session.signInByPassword(text("name").trim(), text("password"))),
  });
  return (
    <form className="mt-4 grid gap-3" noValidate onSubmit={form.onSubmit} onInput={form.onInput}>
      <Field
        name="name"
        label="Name"
        autoComplete="username"
        autoCapitalize="off"
        spellCheck={false}
        maxLength={128}
        fault={form.faults.name}
        {...(name === null ? { autoFocus: true } : { defaultValue: name, readOnly: true })}
      />
      <PasswordField
        name="password"
        label="Password"
        autoComplete="current-password"
        autoFocus={name !== null}
        fault={form.faults.password}
      />
      {form.error !== null && <FailureNote error={form.error} />}
      <Button look="primary" type="submit" busy={form.isSending ? "Signing in…" : null}>
        Sign in
      </Button>
    </form>
  );
};
