import { type IssuedToken, type Role, Scope } from "@microterm/protocol";
import { administration } from "../api/administration.ts";
import { SCOPE_WORDS } from "../parts/account/people-words.ts";
import { Button } from "../parts/button.tsx";
import { FailureNote } from "../parts/failure.tsx";
import { faultsOf, tokenNameFault } from "../parts/form/faults.ts";
import { Choice, Field } from "../parts/form/field.tsx";
import { useForm } from "../parts/form/use-form.ts";

const DAY_S = 86_400;
/** Seconds; the empty string: it does not end. */
const LIFE = [
  [String(7 * DAY_S), "7 days"],
  [String(30 * DAY_S), "30 days"],
  [String(90 * DAY_S), "90 days"],
  [String(365 * DAY_S), "1 year"],
  ["", "never"],
] as const;

const Scopes = ({ role, fault }: { readonly role: Role; readonly fault: string | undefined }) => (
  <fieldset className="grid gap-1" {...(fault !== undefined && { "aria-describedby": "token-scopes-fault" })}>
    <legend className="mb-1 text-muted">It may</legend>
    {Scope.options
      .filter((scope) => scope !== "admin" || role === "admin")
      .map((scope) => (
        <label key={scope} className="flex min-h-8 cursor-pointer items-center gap-2 pointer-coarse:min-h-11">
          <input type="checkbox" name="scope" value={scope} className="accent-accent" />
          <span>
            {SCOPE_WORDS[scope]} <code className="font-mono text-xs text-muted">{scope}</code>
          </span>
        </label>
      ))}
    {fault !== undefined && (
      <p id="token-scopes-fault" role="alert" className="text-danger">
        {fault}
      </p>
    )}
  </fieldset>
);

export interface TokenFormProps {
  readonly role: Role;
  readonly onMade: (token: IssuedToken) => void;
}

/** A new API token. */
export const TokenForm = ({ role, onMade }: TokenFormProps) => {
  const form = useForm({
    check: ({ text, all }) =>
      faultsOf({
        name: tokenNameFault(text("name")),
        scope: all("scope").length === 0 ? "Choose one at least." : null,
      }),
    send: async ({ text, all }) =>
      onMade(
        await administration.account.createToken({
          name: text("name"),
          scopes: Scope.options.filter((scope) => all("scope").includes(scope)),
          expiresInSeconds: text("life") === "" ? null : Number(text("life")),
        }),
      ),
  });
  return (
    <form className="grid gap-3" noValidate onSubmit={form.onSubmit} onInput={form.onInput}>
      <Field
        name="name"
        label="Name"
        hint="What it is for, such as the machine that will use it."
        autoComplete="off"
        autoFocus
        maxLength={128}
        fault={form.faults.name}
      />
      <Scopes role={role} fault={form.faults.scope} />
      <Choice name="life" label="Ends after" defaultValue={LIFE[2][0]} autoComplete="off">
        {LIFE.map(([seconds, words]) => (
          <option key={words} value={seconds}>
            {words}
          </option>
        ))}
      </Choice>
      {form.error !== null && <FailureNote error={form.error} />}
      <Button look="primary" type="submit" needsServer busy={form.isSending ? "Making it…" : null}>
        Make the token
      </Button>
    </form>
  );
};
