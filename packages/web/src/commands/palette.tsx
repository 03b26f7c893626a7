import { Autocomplete } from "@base-ui/react/autocomplete";
import { Dialog } from "@base-ui/react/dialog";
import { useState } from "react";
import { focusAfterClose } from "../parts/focus.ts";
import { Plain } from "../parts/plain.tsx";
import { showOverlay } from "./commands.ts";
import { matches } from "./matches.ts";
import { noteUse, recentIds } from "./recent.ts";
import { canRun, places, runCommand } from "./run-command.ts";
import { COMMANDS, type Command, type CommandId } from "./table.ts";

interface Item {
  readonly id: string;
  readonly name: string;
  readonly keys: string | null;
  readonly run: () => void;
}

interface Group {
  readonly name: string;
  readonly items: readonly Item[];
}

/** Shown at once: a list of a thousand environments is found by typing. */
const MOST = 100;

const commandItems = (): readonly (Item & { readonly group: string })[] =>
  Object.entries(COMMANDS as Readonly<Record<string, Command>>)
    .filter(([id]) => id !== "page.palette" && canRun(id as CommandId))
    .map(([id, { name, group, keys }]) => ({
      ...{ id, name, group, keys: keys ?? null },
      run: () => runCommand(id as CommandId),
    }));

/** What was used last, then all by their groups. */
const groupsNow = (): readonly Group[] => {
  const all = [...commandItems(), ...places().map((place) => ({ ...place, keys: null }))];
  const byId = new Map(all.map((one) => [one.id, one]));
  const recent = recentIds().flatMap((id) => byId.get(id) ?? []);
  const rest = all.filter(({ id }) => !recent.some((one) => one.id === id));
  const groups = Map.groupBy(rest, ({ group }) => group);
  return [
    ...(recent.length > 0 ? [{ name: "Recent", items: recent }] : []),
    ...[...groups].map(([name, items]) => ({ name, items })),
  ];
};

const ITEM =
  "flex h-8 cursor-default items-center gap-3 rounded-md px-2 data-highlighted:bg-raised pointer-coarse:h-11 select-none";

/** Everything that can be done or gone to from here, found by typing. */
export const Palette = () => {
  const [groups] = useState(groupsNow);
  const choose = ({ id, run }: Item): void => {
    noteUse(id);
    showOverlay(null);
    // Once the palette is gone, so that what opens next takes the focus.
    requestAnimationFrame(run);
  };
  return (
    <Dialog.Root open onOpenChange={(open) => !open && showOverlay(null)}>
      <Dialog.Portal>
        <Dialog.Backdrop className="fixed inset-0 z-30 bg-scrim" />
        <Dialog.Popup
          finalFocus={focusAfterClose}
          className="fixed top-[12vh] left-1/2 z-30 flex max-h-[70vh] w-[min(560px,calc(100vw-24px))] -translate-x-1/2 flex-col overflow-hidden rounded-md border border-border bg-surface shadow-overlay"
        >
          <Dialog.Title className="sr-only">Command palette</Dialog.Title>
          <Autocomplete.Root
            inline
            open
            items={groups}
            limit={MOST}
            filter={(item: Item, typed) => matches(item.name, typed)}
            itemToStringValue={(item: Item) => item.name}
            autoHighlight="always"
            keepHighlight
          >
            <Autocomplete.Input
              aria-label="Find a command, an environment or a terminal"
              placeholder="Find a command, an environment or a terminal"
              autoCapitalize="off"
              spellCheck={false}
              className="h-11 shrink-0 border-b border-border bg-surface px-4 outline-none"
            />
            <Autocomplete.Empty className="p-4 text-muted empty:p-0">Nothing is called like that.</Autocomplete.Empty>
            <Autocomplete.List className="min-h-0 overflow-y-auto p-1">
              {(group: Group) => (
                <Autocomplete.Group key={group.name} items={group.items} className="pb-1">
                  <Autocomplete.GroupLabel className="px-2 pt-1 pb-0.5 text-xs text-muted">
                    {group.name}
                  </Autocomplete.GroupLabel>
                  <Autocomplete.Collection>
                    {(item: Item) => (
                      <Autocomplete.Item key={item.id} value={item} className={ITEM} onClick={() => choose(item)}>
                        <Plain text={item.name} className="truncate" />
                        {item.keys !== null && <kbd className="ml-auto font-sans text-xs text-muted">{item.keys}</kbd>}
                      </Autocomplete.Item>
                    )}
                  </Autocomplete.Collection>
                </Autocomplete.Group>
              )}
            </Autocomplete.List>
          </Autocomplete.Root>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
};
