import { type CreatedShare, type NewShare, ShareRole } from "@microterm/protocol";
import { type InputHTMLAttributes, useState } from "react";
import { client } from "../../api/queries.ts";
import { Button } from "../../parts/button.tsx";
import { FailureNote } from "../../parts/failure.tsx";
import { accountNameFault, faultsOf } from "../../parts/form/faults.ts";
import { Choice, Field } from "../../parts/form/field.tsx";
import { LifeChoice, UsesField, usesFault } from "../../parts/form/link-terms.tsx";
import { useForm, type Values } from "../../parts/form/use-form.ts";
import { EDITOR_WARNING } from "../words.ts";

const MOST_USES = 250;
const LIVES = [3600, 28_800, 86_400, 604_800, 2_592_000] as const;

const wishOf = ({ text }: Values, isLink: boolean): NewShare => ({
  role: ShareRole.parse(text("role")),
  ttlSeconds: Number(text("life")),
  scrollback: text("scrollback") !== "",
  ...(isLink
    ? { uses: Number(text("uses")), withoutAccount: text("without-account") !== "" }
    : { account: text("account").trim() }),
});

const Tick = ({ label, ...rest }: InputHTMLAttributes<HTMLInputElement> & { readonly label: string }) => (
  <label className="flex min-h-8 cursor-pointer items-center gap-2 pointer-coarse:min-h-11">
    <input type="checkbox" className="accent-accent" {...rest} />
    {label}
  </label>
);

export interface ShareFormProps {
  readonly environment: string;
  readonly terminal: string;
  readonly onMade: (share: CreatedShare) => void;
}

/** With whom, as what, and for how long. */
export const ShareForm = ({ environment, terminal, onMade }: ShareFormProps) => {
  const [isLink, setLink] = useState(true);
  const [role, setRole] = useState<ShareRole>("viewer");
  const form = useForm({
    check: ({ text }) =>
      faultsOf(isLink ? { uses: usesFault(text("uses"), MOST_USES) } : { account: accountNameFault(text("account")) }),
    send: async (values) => onMade(await client.sharing.share(environment, terminal, wishOf(values, isLink))),
    placeOf: (code) => (code === "NOT_FOUND" && !isLink ? "account" : null),
  });
  return (
    <form className="grid gap-3" noValidate onSubmit={form.onSubmit} onInput={form.onInput}>
      <div className="grid grid-cols-2 gap-3 max-sm:grid-cols-1">
        <Choice
          name="whom"
          label="With"
          autoComplete="off"
          autoFocus
          value={isLink ? "link" : "account"}
          onChange={({ currentTarget }) => setLink(currentTarget.value === "link")}
        >
          <option value="link">People with the link</option>
          <option value="account">One person with an account</option>
        </Choice>
        {isLink ? (
          <UsesField key="uses" most={MOST_USES} defaultValue={10} fault={form.faults.uses} />
        ) : (
          <Field
            key="account"
            name="account"
            label="Name of the account"
            autoComplete="off"
            autoCapitalize="off"
            spellCheck={false}
            maxLength={64}
            fault={form.faults.account}
          />
        )}
        <Choice
          name="role"
          label="Who may"
          autoComplete="off"
          value={role}
          onChange={({ currentTarget }) => setRole(ShareRole.parse(currentTarget.value))}
        >
          <option value="viewer">Look on</option>
          <option value="editor">Type</option>
        </Choice>
        <LifeChoice lives={LIVES} defaultValue={86_400} />
      </div>
      {role === "editor" && (
        <p role="status" className="text-warn">
          {EDITOR_WARNING}
        </p>
      )}
      <div>
        {isLink && <Tick name="without-account" label="People without an account too" />}
        <Tick name="scrollback" label="With what was above the screen before" />
      </div>
      {form.error !== null && <FailureNote error={form.error} />}
      <Button look="primary" type="submit" needsServer busy={form.isSending ? "Sharing it…" : null}>
        {isLink ? "Make a link" : "Share"}
      </Button>
    </form>
  );
};
