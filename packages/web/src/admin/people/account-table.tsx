import { type Account, Role } from "@microterm/protocol";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { administration } from "../../api/administration.ts";
import { momentWords, ROLE_WORDS } from "../../parts/account/people-words.ts";
import { useAccount } from "../../parts/account/use-account.ts";
import { Button } from "../../parts/button.tsx";
import { FailureNote } from "../../parts/failure.tsx";
import { Plain } from "../../parts/plain.tsx";
import { useNow } from "../../parts/use-now.ts";
import { agoWords } from "../../parts/words.ts";
import { AdminTable } from "../admin-table.tsx";
import { DisableQuestion } from "./disable-question.tsx";
import { ACCOUNTS_KEY } from "./keys.ts";
import { RemoveQuestion } from "./remove-question.tsx";
import { ResetWindow } from "./reset-window.tsx";

const RoleChoice = ({ account }: { readonly account: Account }) => {
  const cache = useQueryClient();
  const change = useMutation({
    mutationFn: (role: Role) => administration.accounts.update(account.id, { role }),
    onSettled: () => cache.invalidateQueries({ queryKey: ACCOUNTS_KEY }),
  });
  const shown = change.isPending ? change.variables : account.role;
  return (
    <>
      <select
        aria-label={`Role of ${account.name}`}
        value={shown}
        disabled={change.isPending}
        onChange={({ currentTarget }) => change.mutate(Role.parse(currentTarget.value))}
        className="h-8 rounded-md border border-border bg-bg px-1.5 pointer-coarse:h-11"
      >
        {Role.options.map((role) => (
          <option key={role} value={role}>
            {ROLE_WORDS[role].name}
          </option>
        ))}
      </select>
      {change.isError && <FailureNote error={change.error} className="mt-1" />}
    </>
  );
};

const EnableButton = ({ account }: { readonly account: Account }) => {
  const cache = useQueryClient();
  const enable = useMutation({
    mutationFn: () => administration.accounts.update(account.id, { disabled: false }),
    onSettled: () => cache.invalidateQueries({ queryKey: ACCOUNTS_KEY }),
  });
  return (
    <Button
      look="quiet"
      needsServer
      busy={enable.isPending ? "Enabling…" : null}
      aria-label={`Enable ${account.name}`}
      onClick={() => enable.mutate()}
    >
      Enable
    </Button>
  );
};

type Ask = "disable" | "remove" | "reset";

const StateWords = ({ account }: { readonly account: Account }) => {
  const now = useNow(30_000);
  const { disabledAt, stopsAt, lastSeenAt, createdAt, environments } = account;
  if (disabledAt !== null) {
    return (
      <span className="text-warn">
        Disabled{stopsAt === null || environments === 0 ? "" : `; what runs is stopped ${momentWords(stopsAt)}`}
      </span>
    );
  }
  return (
    <span className="text-muted">
      {lastSeenAt === null
        ? `made ${momentWords(createdAt)}, not seen since`
        : `seen ${agoWords(Date.parse(lastSeenAt), now)}`}
    </span>
  );
};

interface RowProps {
  readonly account: Account;
  readonly isSelf: boolean;
  readonly onAsk: (ask: Ask) => void;
}

const AccountRow = ({ account, isSelf, onAsk }: RowProps) => {
  const { name, role, environments, disabledAt, isDataFolder } = account;
  const isFixed = isSelf || isDataFolder;
  return (
    <tr className="border-b border-border last:border-0 max-md:grid max-md:py-2">
      <th scope="row" className="h-10 px-3 text-left font-normal max-md:h-auto">
        <span className="flex max-w-64 items-center gap-2">
          <Plain text={name} className="truncate font-medium" />
          {isSelf && <span className="text-ok">you</span>}
          {isDataFolder && <span className="whitespace-nowrap text-muted">of the data folder</span>}
        </span>
      </th>
      <td className="px-3">{isFixed ? ROLE_WORDS[role].name : <RoleChoice account={account} />}</td>
      <td className="px-3 text-muted">
        {environments}
        <span className="md:hidden">{environments === 1 ? " environment" : " environments"}</span>
      </td>
      <td className="px-3">
        <StateWords account={account} />
      </td>
      <td className="px-1.5">
        {!isFixed && (
          <span className="flex justify-end max-md:-ml-0.5 max-md:flex-wrap max-md:justify-start">
            <Button look="quiet" needsServer aria-label={`New password for ${name}`} onClick={() => onAsk("reset")}>
              New password
            </Button>
            {disabledAt === null ? (
              <Button look="quiet" needsServer aria-label={`Disable ${name}`} onClick={() => onAsk("disable")}>
                Disable
              </Button>
            ) : (
              <EnableButton account={account} />
            )}
            <Button look="quiet" needsServer aria-label={`Remove ${name}`} onClick={() => onAsk("remove")}>
              Remove
            </Button>
          </span>
        )}
      </td>
    </tr>
  );
};

const HEADS = ["Name", "Role", "Environments", "State"] as const;

/** All accounts, and what an admin does with them. */
export const AccountTable = ({ accounts }: { readonly accounts: readonly Account[] }) => {
  const self = useAccount();
  const [asked, setAsked] = useState<{ readonly ask: Ask; readonly account: Account } | null>(null);
  const askedFor = (ask: Ask): Account | null => (asked?.ask === ask ? asked.account : null);
  const close = (): void => setAsked(null);
  return (
    <>
      <AdminTable caption="Accounts" heads={HEADS} hasActions>
        {accounts.map((account) => (
          <AccountRow
            key={account.id}
            account={account}
            isSelf={account.id === self?.id}
            onAsk={(ask) => setAsked({ ask, account })}
          />
        ))}
      </AdminTable>
      <DisableQuestion account={askedFor("disable")} onClose={close} />
      <RemoveQuestion account={askedFor("remove")} onClose={close} />
      <ResetWindow account={askedFor("reset")} onClose={close} />
    </>
  );
};
