import { AuditAction, type AuditFilter, AuditOutcome } from "@microterm/protocol";
import { type FormEvent, useRef } from "react";
import { Button } from "../../parts/button.tsx";
import { Choice, Field } from "../../parts/form/field.tsx";
import { OUTCOMES } from "./audit-words.ts";

const filterOf = (form: HTMLFormElement): AuditFilter => {
  const data = new FormData(form);
  const text = (name: string): string => String(data.get(name) ?? "").trim();
  const moment = (name: string): string => (text(name) === "" ? "" : new Date(text(name)).toISOString());
  const filled = (name: string, value: string): Record<string, string> => (value === "" ? {} : { [name]: value });
  const action = AuditAction.safeParse(text("action")).data;
  const outcome = AuditOutcome.safeParse(text("outcome")).data;
  return {
    ...filled("account", text("account")),
    ...filled("environment", text("environment")),
    ...filled("address", text("address")),
    ...filled("from", moment("from")),
    ...filled("to", moment("to")),
    ...(action !== undefined && { action }),
    ...(outcome !== undefined && { outcome }),
  };
};

/** Which entries are looked at: all that is said here holds for each. */
export const FilterForm = ({ onFilter }: { readonly onFilter: (filter: AuditFilter) => void }) => {
  const form = useRef<HTMLFormElement>(null);
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    onFilter(filterOf(event.currentTarget));
  };
  const apply = (): void => form.current?.requestSubmit();
  const text = { autoComplete: "off", autoCapitalize: "off", spellCheck: false } as const;
  return (
    <form
      ref={form}
      aria-label="Filter"
      className="grid grid-cols-2 items-end gap-3 sm:grid-cols-4"
      onSubmit={submit}
      onReset={() => onFilter({})}
    >
      <Field name="account" label="Account" maxLength={32} {...text} />
      <Choice name="action" label="Action" defaultValue="" autoComplete="off" onChange={apply}>
        <option value="">all</option>
        {AuditAction.options.map((action) => (
          <option key={action} value={action}>
            {action}
          </option>
        ))}
      </Choice>
      <Choice name="outcome" label="Outcome" defaultValue="" autoComplete="off" onChange={apply}>
        <option value="">all</option>
        {AuditOutcome.options.map((outcome) => (
          <option key={outcome} value={outcome}>
            {OUTCOMES[outcome].word}
          </option>
        ))}
      </Choice>
      <Field name="environment" label="Environment" maxLength={32} {...text} />
      <Field name="address" label="Address" maxLength={64} {...text} />
      <Field name="from" label="From" type="datetime-local" autoComplete="off" />
      <Field name="to" label="Before" type="datetime-local" autoComplete="off" />
      <div className="flex gap-2">
        <Button type="submit" needsServer>
          Filter
        </Button>
        <Button look="quiet" type="reset">
          Clear
        </Button>
      </div>
    </form>
  );
};
