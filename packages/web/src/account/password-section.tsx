import { useQueryClient } from "@tanstack/react-query";
import { administration } from "../api/administration.ts";
import { NEW_PASSWORD_HINT } from "../parts/account/people-words.ts";
import { Button } from "../parts/button.tsx";
import { FailureNote } from "../parts/failure.tsx";
import { faultsOf, newPasswordFault } from "../parts/form/faults.ts";
import { PasswordField } from "../parts/form/field.tsx";
import { useForm } from "../parts/form/use-form.ts";
import { Section } from "../parts/sheet.tsx";

/** Changes one's password, or sets a first one. */
export const PasswordSection = ({ name }: { readonly name: string }) => {
  const cache = useQueryClient();
  const form = useForm({
    check: ({ text }) => faultsOf({ password: newPasswordFault(text("password")) }),
    send: async ({ text }) => {
      const current = text("current");
      await administration.account.changePassword({ ...(current !== "" && { current }), password: text("password") });
      // All others have ended.
      void cache.invalidateQueries({ queryKey: ["account", "sessions"] });
    },
    placeOf: (code) => (code === "SIGN_IN_FAILED" ? "current" : null),
    isCleared: true,
  });
  return (
    <Section title="Password" words="A new one ends all your other sessions. API tokens go on.">
      <form className="grid max-w-sm gap-3" noValidate onSubmit={form.onSubmit} onInput={form.onInput}>
        {/* For the browser's keeper of passwords, which else would not know whose they are. */}
        <input hidden type="text" autoComplete="username" value={name} readOnly />
        <PasswordField
          name="current"
          label="Current password"
          autoComplete="current-password"
          hint="Leave it empty if you have none yet."
          fault={form.faults.current}
        />
        <PasswordField
          name="password"
          label="New password"
          autoComplete="new-password"
          hint={NEW_PASSWORD_HINT}
          fault={form.faults.password}
        />
        {form.error !== null && <FailureNote error={form.error} />}
        <div className="flex items-center gap-3">
          <Button type="submit" needsServer busy={form.isSending ? "Changing it…" : null}>
            Change the password
          </Button>
          <p role="status" className="text-ok">
            {form.isSent && "It is changed."}
          </p>
        </div>
      </form>
    </Section>
  );
};
