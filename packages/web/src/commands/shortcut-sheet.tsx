import { Window } from "../parts/form/window.tsx";
import { showOverlay } from "./commands.ts";
import { COMMANDS, type Command } from "./table.ts";

/** Keys that are no action of the page's. */
const OTHER_KEYS: readonly { readonly name: string; readonly keys: string }[] = [
  { name: "Copy what is selected", keys: "Ctrl+Shift+C" },
  { name: "Paste", keys: "Ctrl+V or Ctrl+Shift+V" },
  { name: "Send Ctrl-V to the program", keys: "Ctrl+Alt+V" },
  { name: "Select where a program takes the mouse", keys: "Shift+drag" },
];

const ROW = "flex h-7 items-center gap-4";
const KEYS = "ml-auto shrink-0 rounded-sm border border-border bg-raised px-1.5 font-sans text-xs";

/** Every action by its name, with the key that does it where there is one. */
export const ShortcutSheet = () => {
  const groups = Map.groupBy(Object.values<Command>(COMMANDS), ({ group }) => group);
  return (
    <Window title="Keyboard shortcuts" isOpen onClose={() => showOverlay(null)}>
      <p className="text-muted">All of them, and everything else, are in the command palette too.</p>
      {[...groups].map(([group, commands]) => (
        <section key={group} className="mt-3">
          <h3 className="border-b border-border pb-1 font-semibold">{group}</h3>
          <ul className="mt-1">
            {commands.map(({ name, keys }) => (
              <li key={name} className={ROW}>
                <span className={keys === undefined ? "text-muted" : ""}>{name}</span>
                {keys !== undefined && <kbd className={KEYS}>{keys}</kbd>}
              </li>
            ))}
            {group === "Terminal" &&
              OTHER_KEYS.map(({ name, keys }) => (
                <li key={name} className={ROW}>
                  {name}
                  <kbd className={KEYS}>{keys}</kbd>
                </li>
              ))}
          </ul>
        </section>
      ))}
    </Window>
  );
};
