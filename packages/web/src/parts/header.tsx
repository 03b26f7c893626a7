import { Link } from "@tanstack/react-router";
import { Monitor, Moon, Search, Sun } from "lucide-react";
import type { ReactNode } from "react";
import { showOverlay } from "../commands/commands.ts";
import { COMMANDS } from "../commands/table.ts";
// In the script: as a file it would be asked for once more beside the tab's icon.
import icon from "../icon.svg?inline";
import { setTheme, type Theme, useTheme } from "../theme.ts";
import { AccountMenu } from "./account/account-menu.tsx";
import { Button } from "./button.tsx";

const NEXT: Readonly<Record<Theme, Theme>> = { system: "light", light: "dark", dark: "system" };
const ICON = { system: Monitor, light: Sun, dark: Moon } as const;
const NAME = { system: "as the system's", light: "light", dark: "dark" } as const;

export const ThemeButton = () => {
  const theme = useTheme();
  const Icon = ICON[theme];
  const label = `Theme: ${NAME[theme]}. Switch to ${NAME[NEXT[theme]]}`;
  return (
    <Button
      look="quiet"
      isSquare
      command="page.theme"
      aria-label={label}
      title={label}
      onClick={() => setTheme(NEXT[theme])}
    >
      <Icon aria-hidden className="size-4" />
    </Button>
  );
};

const PaletteButton = () => (
  <Button
    look="quiet"
    isSquare
    aria-label="Command palette"
    title={`Command palette (${COMMANDS["page.palette"].keys})`}
    onClick={() => showOverlay("palette")}
  >
    <Search aria-hidden className="size-4" />
  </Button>
);

export const Logo = ({ isShort = false }: { readonly isShort?: boolean }) => (
  <span className="inline-flex items-center gap-2 font-semibold">
    <img src={icon} alt="" className="size-5" />
    <span className={isShort ? "max-sm:hidden" : ""}>microterm</span>
  </span>
);

export interface HeaderProps {
  readonly children?: ReactNode;
  readonly actions?: ReactNode;
  /** Between the two where there is room for it, else in a row of its own: it lies over nothing. */
  readonly notice?: ReactNode;
}

/** 44 px at the top of every page: where one is, and what can be done there. */
export const Header = ({ children, actions, notice }: HeaderProps) => (
  <header className="grid min-h-11 shrink-0 grid-cols-[minmax(0,auto)_minmax(0,1fr)_auto] items-center gap-x-3 border-b border-border bg-surface px-3 max-sm:gap-x-1.5 max-sm:px-2">
    <div className="flex h-11 min-w-0 items-center gap-3 max-sm:gap-1.5">
      <Link to="/" className="flex shrink-0 rounded-md" aria-label="microterm: all environments">
        <Logo isShort />
      </Link>
      {children}
    </div>
    <div className="flex min-w-0 justify-center max-lg:order-last max-lg:col-span-3">{notice}</div>
    <div data-no-stray-click className="flex items-center gap-1.5 max-lg:col-start-3 max-lg:row-start-1 max-sm:gap-0">
      {actions}
      <PaletteButton />
      <ThemeButton />
      <AccountMenu />
    </div>
  </header>
);
