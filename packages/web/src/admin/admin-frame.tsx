import { Link } from "@tanstack/react-router";
import { type ReactNode, useEffect } from "react";
import { useAccount } from "../parts/account/use-account.ts";
import { Header } from "../parts/header.tsx";

const PAGES = [
  { to: "/admin/people", name: "People" },
  { to: "/admin/environments", name: "Environments" },
  { to: "/admin/quotas", name: "Quotas" },
  { to: "/admin/audit", name: "Audit" },
] as const;

export interface AdminFrameProps {
  readonly title: (typeof PAGES)[number]["name"];
  readonly children: ReactNode;
}

/** The pages of admins, with the way from one to the next. */
export const AdminFrame = ({ title, children }: AdminFrameProps) => {
  const account = useAccount();
  useEffect(() => {
    document.title = `${title} · microterm`;
  }, [title]);
  if (account === null) return null;
  return (
    <div className="flex h-full flex-col">
      <Header>
        <span aria-hidden className="text-border">
          /
        </span>
        <span className="truncate font-medium">Administration</span>
      </Header>
      {account.role === "admin" && (
        <nav
          aria-label="Administration"
          className="flex h-9 shrink-0 gap-1 overflow-x-auto border-b border-border bg-surface px-3"
        >
          {PAGES.map(({ to, name }) => (
            <Link
              key={to}
              to={to}
              className="inline-flex items-center border-b-2 border-transparent px-2 text-muted hover:text-text aria-[current=page]:border-accent aria-[current=page]:text-text"
            >
              {name}
            </Link>
          ))}
        </nav>
      )}
      <main className="min-h-0 flex-1 overflow-auto">
        {account.role === "admin" ? (
          <div className="mx-auto w-[min(1200px,100%)] px-4 pt-4 pb-10">
            <h1 className="sr-only">{title}</h1>
            {children}
          </div>
        ) : (
          <p role="status" className="m-6 text-center text-muted">
            This page is for admins.
          </p>
        )}
      </main>
    </div>
  );
};
