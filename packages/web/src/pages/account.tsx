import { useSearch } from "@tanstack/react-router";
import { useEffect } from "react";
import { IdentitySection } from "../account/identity-section.tsx";
import { PasswordSection } from "../account/password-section.tsx";
import { QuotaSection } from "../account/quota-section.tsx";
import { SessionSection } from "../account/session-section.tsx";
import { TokenSection } from "../account/token-section.tsx";
import { ActsSection } from "../admin-acts/acts-section.tsx";
import { ROLE_WORDS } from "../parts/account/people-words.ts";
import { useAccount } from "../parts/account/use-account.ts";
import { Header } from "../parts/header.tsx";
import { Plain } from "../parts/plain.tsx";

/** One's own account. */
export const AccountPage = () => {
  const account = useAccount();
  const { identity = null } = useSearch({ from: "/signed-in/account" });
  useEffect(() => {
    document.title = "My account · microterm";
  }, []);
  if (account === null) return null;
  const { name, does } = ROLE_WORDS[account.role];
  return (
    <div className="flex h-full flex-col">
      <Header>
        <span aria-hidden className="text-border">
          /
        </span>
        <span className="truncate font-medium">My account</span>
      </Header>
      <main className="min-h-0 flex-1 overflow-auto">
        <div className="mx-auto w-[min(760px,100%)] px-4 pt-6 pb-10">
          <h1 className="text-[15px]">
            <Plain text={account.name} />
          </h1>
          <p className="text-muted">
            {name}: {does}.
          </p>
          <PasswordSection name={account.name} />
          <IdentitySection outcome={identity} />
          <SessionSection />
          <QuotaSection />
          <TokenSection role={account.role} />
          <ActsSection />
        </div>
      </main>
    </div>
  );
};
