import { type AdminEnvironment, EnvironmentName } from "@microterm/protocol";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { administration } from "../../api/administration.ts";
import { Button } from "../../parts/button.tsx";
import { FailureNote } from "../../parts/failure.tsx";
import { faultsOf } from "../../parts/form/faults.ts";
import { Choice, Field } from "../../parts/form/field.tsx";
import { useForm } from "../../parts/form/use-form.ts";
import { useLatest } from "../../parts/form/use-latest.ts";
import { Window } from "../../parts/form/window.tsx";
import { Plain } from "../../parts/plain.tsx";
import type { ForeignProps } from "./foreign-questions.tsx";
import { ENVIRONMENTS_KEY } from "./keys.ts";

const nameFault = (text: string): string | null =>
  text === "" || EnvironmentName.safeParse(text).success
    ? null
    : "Lower-case letters, digits and hyphens, 32 at most, or empty.";

const TransferForm = ({
  environment,
  onDone,
}: {
  readonly environment: AdminEnvironment;
  readonly onDone: () => void;
}) => {
  const cache = useQueryClient();
  const accounts = useQuery({ queryKey: ["people", "accounts"], queryFn: () => administration.accounts.list() });
  const form = useForm({
    check: ({ text }) =>
      faultsOf({ name: nameFault(text("name")), account: text("account") === "" ? "Choose one." : null }),
    send: async ({ text, all }) => {
      const name = EnvironmentName.safeParse(text("name")).data;
      await administration.admin.transfer(environment.id, {
        account: text("account"),
        ...(name !== undefined && { name }),
        force: all("force").length > 0,
      });
      await cache.invalidateQueries({ queryKey: ENVIRONMENTS_KEY });
      onDone();
    },
    placeOf: (code) => (code === "NAME_TAKEN" ? "name" : null),
  });
  const others = accounts.data?.filter(({ id, role }) => id !== environment.owner && role !== "visitor") ?? [];
  return (
    <form className="grid gap-3" noValidate onSubmit={form.onSubmit} onInput={form.onInput}>
      <Choice name="account" label="To" defaultValue="" autoComplete="off" fault={form.faults.account}>
        <option value="">{accounts.isPending ? "Loading accounts…" : "Choose an account"}</option>
        {others.map(({ id, name }) => (
          <option key={id} value={id}>
            {name}
          </option>
        ))}
      </Choice>
      <Field
        name="name"
        label="Called from then on"
        placeholder={environment.name}
        hint="Only where they have one of its name."
        autoComplete="off"
        spellCheck={false}
        maxLength={64}
        fault={form.faults.name}
      />
      <label className="flex min-h-8 cursor-pointer items-center gap-2">
        <input type="checkbox" name="force" value="yes" className="accent-accent" />
        Also past their quota
      </label>
      {accounts.isError && <FailureNote error={accounts.error} />}
      {form.error !== null && <FailureNote error={form.error} />}
      <Button look="primary" type="submit" needsServer busy={form.isSending ? "Handing it over…" : null}>
        Hand it over
      </Button>
    </form>
  );
};

/** Gives an environment to another account. */
export const TransferWindow = ({ environment, onClose }: ForeignProps) => {
  const shown = useLatest(environment);
  if (shown === null) return null;
  return (
    <Window
      title={
        <>
          Hand over <Plain text={shown.name} />
        </>
      }
      isOpen={environment !== null}
      onClose={onClose}
    >
      <TransferForm key={shown.id} environment={shown} onDone={onClose} />
    </Window>
  );
};
