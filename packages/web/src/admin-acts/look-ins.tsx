import { Popover } from "@base-ui/react/popover";
import type { AdminAct } from "@microterm/protocol";
import { ShieldAlert } from "lucide-react";
import { buttonClass } from "../parts/button.tsx";
import { focusAfterClose } from "../parts/focus.ts";
import { ActLine } from "./act-line.tsx";

/** Beside the tabs: which admins looked in, for as long as the environment is there. */
export const LookIns = ({ acts }: { readonly acts: readonly AdminAct[] }) => {
  const label = `Looked into by admins: ${acts.length === 1 ? "once" : `${acts.length} times`}`;
  return (
    <Popover.Root>
      <Popover.Trigger aria-label={label} title={label} className={buttonClass("quiet", true)}>
        <ShieldAlert aria-hidden className="size-4 text-warn" />
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Positioner side="bottom" align="end" sideOffset={6} collisionPadding={8} className="z-20">
          <Popover.Popup
            finalFocus={focusAfterClose}
            className="fade w-96 max-w-[calc(100vw-16px)] rounded-md border border-border bg-surface p-3 text-text shadow-overlay"
          >
            <Popover.Title className="text-xs text-muted">Looked into by admins</Popover.Title>
            {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, also by keys. */}
            <ul tabIndex={0} aria-label="Looked into by admins" className="mt-1 grid max-h-72 gap-1 overflow-y-auto">
              {acts.map((act) => (
                <li key={act.id}>
                  <ActLine of={act} />
                </li>
              ))}
            </ul>
          </Popover.Popup>
        </Popover.Positioner>
      </Popover.Portal>
    </Popover.Root>
  );
};
