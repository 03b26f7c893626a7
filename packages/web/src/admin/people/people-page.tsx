import type { Account } from "@microterm/protocol";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { administration } from "../../api/administration.ts";
import { Button } from "../../parts/button.tsx";
import { FailureNote } from "../../parts/failure.tsx";
import { Section } from "../../parts/sheet.tsx";
import { AdminFrame } from "../admin-frame.tsx";
import { AccountTable } from "./account-table.tsx";
import { InvitationList } from "./invitation-list.tsx";
import { InviteWindow } from "./invite-window.tsx";
import { ACCOUNTS_KEY } from "./keys.ts";

/** Others are admins too, and people come by themselves. */
const LOOK_MS = 15_000;

/** Accounts, and who is invited. */
export const PeoplePage = () => {
  const [isInviting, setInviting] = useState(false);
  const accounts = useQuery<Account[]>({
    queryKey: ACCOUNTS_KEY,
    queryFn: () => administration.accounts.list(),
    staleTime: 0,
    refetchInterval: LOOK_MS,
  });
  return (
    <AdminFrame title="People">
      <Section
        title="Accounts"
        actions={
          <Button look="primary" needsServer onClick={() => setInviting(true)}>
            Invite people
          </Button>
        }
      >
        {accounts.isPending && (
          <p role="status" className="text-muted">
            Loading accounts…
          </p>
        )}
        {accounts.isError && <FailureNote error={accounts.error} className="mb-3" />}
        {accounts.data && <AccountTable accounts={accounts.data} />}
      </Section>
      <InvitationList />
      <InviteWindow isOpen={isInviting} onClose={() => setInviting(false)} />
    </AdminFrame>
  );
};
