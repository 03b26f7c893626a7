import { Popover } from "@base-ui/react/popover";
import type { Environment } from "@microterm/protocol";
import { Globe } from "lucide-react";
import { Suspense } from "react";
import { focusAfterClose } from "../parts/focus.ts";
import { lazyPart } from "../parts/lazy-part.ts";
import { useNow } from "../parts/use-now.ts";
import { networkWords } from "./policy-words.ts";

/** Few look at it. */
const NetworkPanel = lazyPart(async () => (await import("./network-panel.tsx")).NetworkPanel);

/** In the status bar: what an environment may reach, and all there is to know and to change about it. */
export const NetworkMenu = ({ environment }: { readonly environment: Environment }) => {
  const now = useNow(30_000);
  const words = `Network: ${networkWords(environment.network, environment, now)}`;
  return (
    <Popover.Root>
      <Popover.Trigger
        title={words}
        data-command="environment.network"
        className="inline-flex min-w-0 items-center gap-1 rounded-md px-1 hover:text-text max-md:shrink-0"
      >
        <Globe aria-hidden className="size-3.5 shrink-0" />
        <span className="truncate max-md:sr-only">{words}</span>
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Positioner side="top" sideOffset={6} collisionPadding={8} className="z-20">
          <Popover.Popup
            finalFocus={focusAfterClose}
            className="fade max-h-(--available-height) w-[27rem] max-w-[calc(100vw-16px)] overflow-y-auto rounded-md outline-none border border-border bg-surface p-4 text-text shadow-overlay"
          >
            <Popover.Title className="font-semibold">Network</Popover.Title>
            <Suspense fallback={<p className="late mt-1 text-muted">Loading…</p>}>
              <NetworkPanel environment={environment} />
            </Suspense>
          </Popover.Popup>
        </Popover.Positioner>
      </Popover.Portal>
    </Popover.Root>
  );
};
