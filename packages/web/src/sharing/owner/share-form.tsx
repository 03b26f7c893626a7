import { type CreatedShare, type NewShare, ShareRole } from "@microterm/protocol";
import { type InputHTMLAttributes, useState } from "react";
import { client } from "../../api/queries.ts";
import { Button } from "../../parts/button.tsx";
import { FailureNote } from "../../parts/failure.tsx";
import { accountNameFault, faultsOf } from "../../parts/form/faults.ts";
import { Choice, Field } from "../../parts/form/field.tsx";
import { useForm, type Values } from "../../parts/form/use-form.ts";
import { EDITOR_WARNING } from "../words.ts";

const MOST_USES = 250;
const LIFE = [
  ["3600", "1 hour"],
  ["28800", "8 hours"],
  ["86400", "1 day"],
  ["604800", "7 days"],
  ["2592000", "30 days"],
] as const;

const usesFault = (text: string): string | null => {
  const uses = Number(text);
  return Number.isInteger(uses) && uses >= 1 && uses <= MOST_USES ? null : `A number from 1 to ${MOST_USES}.`;
};

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
      faultsOf(isLink ? { uses: usesFault(text("uses")) } : { account: accountNameFault(text("account")) }),
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
          <option value="link">Anyone with the link</option>
          <option value="account">One person with an account</option>
        </Choice>
        {isLink ? (
          <Field
            key="uses"
            name="uses"
            label="For how many people"
            type="number"
            inputMode="numeric"
            min={1}
            max={MOST_USES}
            defaultValue={10}
            autoComplete="off"
            fault={form.faults.uses}
          />
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
        <Choice name="life" label="Ends after" defaultValue="86400" autoComplete="off">
          {LIFE.map(([seconds, words]) => (
            <option key={seconds} value={seconds}>
              {words}
            </option>
          ))}
        </Choice>
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
