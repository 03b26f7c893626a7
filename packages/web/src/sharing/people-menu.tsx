import { Popover } from "@base-ui/react/popover";
import type { Person, Presence } from "@microterm/protocol";
import { Eye, Hand, Pencil, ShieldAlert } from "lucide-react";
import type { ReactNode } from "react";
import { buttonClass } from "../parts/button.tsx";
import { focusAfterClose } from "../parts/focus.ts";
import { PersonName } from "./person-name.tsx";
import { doingWords } from "./words.ts";

const iconOf = ({ isLookIn, isAsking, isTyping }: Person) =>
  isLookIn ? ShieldAlert : isAsking ? Hand : isTyping ? Pencil : Eye;
const colorOf = ({ isLookIn, isAsking, isTyping }: Person): string =>
  isLookIn || isAsking ? "text-warn" : isTyping ? "text-accent" : "text-muted";

/** The person there is most to say of: an admin who looks in, one who asks, one who types. */
const foremost = (others: readonly Person[]): Person | undefined =>
  others.find(({ isLookIn }) => isLookIn) ??
  others.find(({ isAsking }) => isAsking) ??
  others.find(({ isTyping }) => isTyping) ??
  others[0];

export interface PeopleMenuProps {
  readonly presence: Presence;
  /** The own grant; null: one is the owner. */
  readonly self: string | null;
  /** What may be done about somebody. */
  readonly actionsOf?: (person: Person) => ReactNode;
  /** Under the list. */
  readonly children?: ReactNode;
}

/** Who else is at a terminal, and what they do. Nothing where nobody is. */
export const PeopleMenu = ({ presence, self, actionsOf, children }: PeopleMenuProps) => {
  const others = presence.people.filter(({ grant }) => grant !== self);
  const count = presence.count - 1;
  const first = foremost(others);
  if (first === undefined) return null;
  const Icon = iconOf(first);
  const rest = count - 1;
  return (
    <Popover.Root>
      <Popover.Trigger className={`${buttonClass("quiet")} min-w-0 ${first.isLookIn ? "border-warn/60" : ""}`}>
        <span className="sr-only">Who is here besides you: {count}. </span>
        <Icon aria-hidden className={`size-4 shrink-0 ${colorOf(first)}`} />
        {/* That an admin looks in is to be read on a phone too. */}
        {first.isLookIn && <span className="text-warn md:hidden">looks in</span>}
        <span className="flex min-w-0 items-center gap-1 max-md:hidden">
          <span className="max-w-36 truncate">
            <PersonName of={first} />
          </span>
          <span className={colorOf(first)}>{doingWords(first)}</span>
        </span>
        {rest > 0 && <span className="tabular-nums max-md:hidden">+{rest}</span>}
        <span aria-hidden className="tabular-nums md:hidden">
          {count}
        </span>
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Positioner side="bottom" align="end" sideOffset={6} collisionPadding={8} className="z-20">
          <Popover.Popup
            finalFocus={focusAfterClose}
            className="fade w-96 max-w-[calc(100vw-16px)] rounded-md border border-border bg-surface p-1 text-text shadow-overlay"
          >
            <Popover.Title className="px-2 py-1 text-xs text-muted">At this terminal besides you</Popover.Title>
            <ul aria-label="Who is here" className="max-h-72 overflow-y-auto p-0.5">
              {others.map((person) => {
                const Mark = iconOf(person);
                return (
                  <li key={person.grant} className="flex min-h-9 flex-wrap items-center gap-x-2 rounded-md pl-2">
                    <Mark aria-hidden className={`size-4 shrink-0 ${colorOf(person)}`} />
                    <PersonName of={person} />
                    <span className="truncate text-muted">
                      {person.role === "owner" && person.isTyping && "owns it, "}
                      {doingWords(person)}
                    </span>
                    {actionsOf && <span className="ml-auto flex shrink-0 items-center">{actionsOf(person)}</span>}
                  </li>
                );
              })}
            </ul>
            {count > others.length && <p className="px-2 py-1 text-muted">and {count - others.length} more</p>}
            {children}
          </Popover.Popup>
        </Popover.Positioner>
      </Popover.Portal>
    </Popover.Root>
  );
};
