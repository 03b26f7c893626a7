import { useMutation } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { LogOut, Monitor, Moon, Sun } from "lucide-react";
import type { ReactNode } from "react";
import { client } from "../api/queries.ts";
import { setTheme, type Theme, useTheme } from "../theme.ts";
import { Button } from "./button.tsx";

const NEXT: Readonly<Record<Theme, Theme>> = { system: "light", light: "dark", dark: "system" };
const ICON = { system: Monitor, light: Sun, dark: Moon } as const;
const NAME = { system: "as the system's", light: "light", dark: "dark" } as const;

const ThemeButton = () => {
  const theme = useTheme();
  const Icon = ICON[theme];
  const label = `Theme: ${NAME[theme]}. Switch to ${NAME[NEXT[theme]]}`;
  return (
    <Button look="quiet" isSquare aria-label={label} title={label} onClick={() => setTheme(NEXT[theme])}>
      <Icon aria-hidden className="size-4" />
    </Button>
  );
};

const SignOutButton = () => {
  const leave = useMutation({
    mutationFn: () => client.session.signOut(),
    // A new page, so that nothing of the session stays in memory.
    onSettled: () => location.assign("/sign-in"),
  });
  return (
    <Button look="quiet" isSquare aria-label="Sign out" title="Sign out" onClick={() => leave.mutate()}>
      <LogOut aria-hidden className="size-4" />
    </Button>
  );
};

export const Logo = ({ isShort = false }: { readonly isShort?: boolean }) => (
  <span className="inline-flex items-center gap-2 font-semibold">
    <img src="/icon.svg" alt="" className="size-5" />
    <span className={isShort ? "max-sm:hidden" : ""}>microterm</span>
  </span>
);

/** 44 px at the top of every page: where one is, and what can be done there. */
export const Header = ({ children, actions }: { readonly children?: ReactNode; readonly actions?: ReactNode }) => (
  <header className="flex h-11 shrink-0 items-center gap-3 border-b border-border bg-surface px-3 max-sm:gap-1.5 max-sm:px-2">
    <Link to="/" className="flex rounded-md" aria-label="microterm: all environments">
      <Logo isShort />
    </Link>
    {children}
    <div data-no-stray-click className="ml-auto flex shrink-0 items-center gap-1.5 max-sm:gap-0">
      {actions}
      <ThemeButton />
      <SignOutButton />
    </div>
  </header>
);
