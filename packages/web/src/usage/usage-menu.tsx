import { Popover } from "@base-ui/react/popover";
import type { Environment } from "@microterm/protocol";
import { Info } from "lucide-react";
import { Suspense } from "react";
import { focusAfterClose } from "../parts/focus.ts";
import { lazyPart } from "../parts/lazy-part.ts";

/** Few look at it: the plots come when somebody does. */
const UsagePanel = lazyPart(async () => (await import("./usage-panel.tsx")).UsagePanel);

/** In the status bar: what a running environment uses beside what it may, followed for as long as it is open. */
export const UsageMenu = ({ id }: Pick<Environment, "id">) => (
  <Popover.Root>
    <Popover.Trigger
      data-command="environment.usage"
      className="inline-flex shrink-0 items-center gap-1 rounded-md px-1 hover:text-text"
    >
      <Info aria-hidden className="size-3.5" />
      <span className="max-lg:sr-only">Usage</span>
    </Popover.Trigger>
    <Popover.Portal>
      <Popover.Positioner side="top" sideOffset={6} collisionPadding={8} className="z-20">
        <Popover.Popup
          finalFocus={focusAfterClose}
          className="fade w-80 max-w-[calc(100vw-16px)] rounded-md border border-border bg-surface p-4 text-text shadow-overlay"
        >
          <Popover.Title className="font-semibold">Usage and limits</Popover.Title>
          <Suspense fallback={<p className="late mt-1 text-muted">Loading…</p>}>
            <UsagePanel id={id} />
          </Suspense>
        </Popover.Popup>
      </Popover.Positioner>
    </Popover.Portal>
  </Popover.Root>
);
