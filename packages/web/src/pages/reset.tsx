import { client } from "../api/queries.ts";
import { Frame } from "../entry/frame.tsx";
import { useCode } from "../entry/use-code.ts";
import { useEnter } from "../entry/use-enter.ts";
import { NEW_PASSWORD_HINT } from "../parts/account/people-words.ts";
import { Button } from "../parts/button.tsx";
import { FailureNote } from "../parts/failure.tsx";
import { faultsOf, newPasswordFault } from "../parts/form/faults.ts";
import { PasswordField } from "../parts/form/field.tsx";
import { useForm } from "../parts/form/use-form.ts";

const NotWhole = () => (
  <p className="mt-1 text-muted">This link is not whole. Copy all of it, or ask an admin for another one.</p>
);

const ResetForm = ({ code }: { readonly code: string }) => {
  const enter = useEnter("/");
  const form = useForm({
    check: ({ text }) => faultsOf({ password: newPasswordFault(text("password")) }),
    send: async ({ text }) => enter(await client.session.acceptReset({ code, password: text("password") })),
  });
  return (
    <>
      <p className="mt-1 text-muted">It signs you in here and ends all your other sessions. The link works once.</p>
      <form className="mt-4 grid gap-3" noValidate onSubmit={form.onSubmit} onInput={form.onInput}>
        <PasswordField
          name="password"
          label="New password"
          autoComplete="new-password"
          autoFocus
          hint={NEW_PASSWORD_HINT}
          fault={form.faults.password}
        />
        {form.error !== null && <FailureNote error={form.error} />}
        <Button look="primary" type="submit" busy={form.isSending ? "Setting it…" : null}>
          Set the password
        </Button>
      </form>
    </>
  );
};

/** What a link for a new password leads to. */
export const ResetPage = () => {
  const code = useCode();
  return (
    <Frame title="Choose a new password">
      {code.length < 16 || code.length > 128 ? <NotWhole /> : <ResetForm key={code} code={code} />}
    </Frame>
  );
};
