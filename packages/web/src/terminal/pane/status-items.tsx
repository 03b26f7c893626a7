import { Popover } from "@base-ui/react/popover";
import { Keyboard } from "lucide-react";
import { COMMANDS } from "../../commands/table.ts";
import { focusAfterClose } from "../../parts/focus.ts";
import { isForeign, type SessionState } from "../session/session-state.ts";
import { changeTerminalSettings, IS_MAC, type TerminalSettings, useTerminalSettings } from "../settings.ts";

interface Choice {
  readonly key: keyof TerminalSettings;
  readonly label: string;
  readonly hint: string;
}

const CHOICES: readonly Choice[] = [
  { key: "isTabFree", label: "Tab leaves the terminal", hint: COMMANDS["terminal.toggle-tab"].keys },
  { key: "isScreenReader", label: "Announce output to screen readers", hint: "" },
  ...(IS_MAC ? [{ key: "isOptionMeta", label: "Option is Meta", hint: "" } as const] : []),
  { key: "mayCopy", label: "Programs may copy to the clipboard", hint: "" },
];

const SettingsMenu = () => {
  const settings = useTerminalSettings();
  return (
    <Popover.Root>
      <Popover.Trigger className="inline-flex items-center gap-1 rounded-md px-1 hover:text-text">
        <Keyboard aria-hidden className="size-3.5" />
        <span className="sr-only">Keyboard and screen reader: </span>
        <span className="max-sm:sr-only">{settings.isTabFree ? "Tab leaves" : "Tab types"}</span>
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Positioner side="top" align="end" sideOffset={6} collisionPadding={8} className="z-20">
          <Popover.Popup
            finalFocus={focusAfterClose}
            className="fade min-w-72 rounded-md border border-border bg-surface p-1 text-text shadow-overlay"
          >
            <Popover.Title className="sr-only">Keyboard and screen reader</Popover.Title>
            {CHOICES.map(({ key, label, hint }) => (
              <label key={key} className="flex h-8 cursor-pointer items-center gap-2 rounded-md px-2 hover:bg-raised">
                <input
                  type="checkbox"
                  checked={settings[key] === true}
                  onChange={(event) => changeTerminalSettings({ [key]: event.currentTarget.checked })}
                  className="accent-accent"
                />
                {label}
                <kbd className="ml-auto font-sans text-xs text-muted">{hint}</kbd>
              </label>
            ))}
          </Popover.Popup>
        </Popover.Positioner>
      </Popover.Portal>
    </Popover.Root>
  );
};

/** What a terminal adds to the status bar. */
export const StatusItems = ({ state }: { readonly state: SessionState }) => (
  <>
    {/* Here and not over the screen, where it would hide cells: tmux has its clock in that corner. */}
    <span role="status" className="text-text max-sm:hidden">
      {isForeign(state) && state.phase === "live" && !state.isViewer && (
        <>
          Sized by another window<span className="max-lg:hidden">: type to take it over</span>
        </>
      )}
    </span>
    {state.isMouseTaken && !isForeign(state) && <span className="max-lg:hidden">Shift+drag selects</span>}
    <SettingsMenu />
    {state.size && (
      <span title="Columns and rows">
        {state.size.cols}×{state.size.rows}
      </span>
    )}
    <span className="min-w-14 text-right max-sm:hidden" title="Round trip to the server">
      {state.latencyMs === null
        ? "– ms"
        : `${state.latencyMs < 10 ? state.latencyMs.toFixed(1) : Math.round(state.latencyMs)} ms`}
    </span>
  </>
);
