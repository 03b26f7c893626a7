import { type FormEvent, useRef, useState } from "react";
import { Button } from "../../parts/button.tsx";
import { type Membership, type Wish, wishOf } from "./membership.ts";

export interface NetworkFormProps {
  readonly membership: Membership;
  readonly isBusy: boolean;
  readonly onWish: (wish: Exclude<Wish, { readonly fault: string }>) => void;
}

/** A network by its name: it is made where there is none of that name, and joined. */
export const NetworkForm = ({ membership, isBusy, onWish }: NetworkFormProps) => {
  const [name, setName] = useState("");
  const [fault, setFault] = useState<string | null>(null);
  const field = useRef<HTMLInputElement>(null);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (isBusy) return;
    const wish = wishOf(name, membership);
    if (!("fault" in wish)) {
      onWish(wish);
      return;
    }
    setFault(wish.fault);
    field.current?.focus();
  };
  return (
    <form className="mt-2 grid gap-2 rounded-md border border-border p-2.5" onSubmit={submit} noValidate>
      <div className="flex items-end gap-2">
        <label className="grid min-w-0 flex-1 gap-1">
          <span className="text-muted">New network</span>
          <input
            ref={field}
            className="h-8 w-full min-w-0 rounded-md border border-border bg-bg px-2 font-mono text-xs aria-invalid:border-danger"
            placeholder="team"
            value={name}
            onChange={({ currentTarget }) => {
              setName(currentTarget.value);
              setFault(null);
            }}
            autoCapitalize="off"
            autoComplete="off"
            spellCheck={false}
            {...(fault !== null && { "aria-invalid": true, "aria-describedby": "network-name-fault" })}
          />
        </label>
        <Button type="submit" needsServer aria-disabled={isBusy || undefined}>
          Create and join
        </Button>
      </div>
      {fault !== null && (
        <p id="network-name-fault" role="alert" className="text-danger">
          {fault}
        </p>
      )}
    </form>
  );
};
