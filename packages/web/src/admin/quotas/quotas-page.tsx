import { type Quotas, Role } from "@microterm/protocol";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { administration } from "../../api/administration.ts";
import { ROLE_WORDS } from "../../parts/account/people-words.ts";
import { useIsAdmin } from "../../parts/account/use-account.ts";
import { FailureNote } from "../../parts/failure.tsx";
import { Section } from "../../parts/sheet.tsx";
import { AdminFrame } from "../admin-frame.tsx";
import { QUOTAS_KEY } from "./keys.ts";
import { QuotaTable } from "./quota-table.tsx";
import { type QuotaSubject, QuotaWindow } from "./quota-window.tsx";

const LOOK_MS = 15_000;

const Tables = ({ quotas }: { readonly quotas: Quotas }) => {
  const [edited, setEdited] = useState<QuotaSubject | null>(null);
  const roleSubject = (role: Role): QuotaSubject => ({ kind: "role", role, limits: quotas.roles[role] });
  return (
    <>
      <Section title="Of roles" words="What an account has that has no quota of its own.">
        <QuotaTable
          caption="Quotas of roles"
          rows={Role.options.map((role) => ({
            key: role,
            name: ROLE_WORDS[role].name,
            note: null,
            limits: quotas.roles[role],
            used: null,
            onEdit: () => setEdited(roleSubject(role)),
          }))}
        />
      </Section>
      <Section title="Of accounts" words="What each has, of what it may have.">
        <QuotaTable
          caption="Quotas of accounts"
          rows={quotas.accounts.map(({ account, limits, used, isOwn }) => ({
            key: account.id,
            name: account.name,
            note: isOwn ? "its own" : ROLE_WORDS[account.role].name,
            limits,
            used,
            onEdit: () => setEdited({ kind: "account", account, limits, isOwn }),
          }))}
        />
      </Section>
      <QuotaWindow subject={edited} onClose={() => setEdited(null)} />
    </>
  );
};

const Loaded = () => {
  const quotas = useQuery({
    queryKey: QUOTAS_KEY,
    queryFn: () => administration.quotas.all(),
    staleTime: 0,
    refetchInterval: LOOK_MS,
  });
  return (
    <>
      {quotas.isError && <FailureNote error={quotas.error} className="mt-4" />}
      {quotas.isPending && (
        <p role="status" className="mt-4 text-muted">
          Loading quotas…
        </p>
      )}
      {quotas.data && <Tables quotas={quotas.data} />}
    </>
  );
};

/** What roles and accounts may have. */
export const QuotasPage = () => <AdminFrame title="Quotas">{useIsAdmin() && <Loaded />}</AdminFrame>;
