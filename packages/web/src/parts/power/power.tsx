import { Popover } from "@base-ui/react/popover";
import type { Environment } from "@microterm/protocol";
import { Pause, Square } from "lucide-react";
import { useRef } from "react";
import { Button } from "../button.tsx";
import { FailureNote } from "../failure.tsx";
import { focusAfterClose } from "../focus.ts";
import { useStop } from "./stop-dialog.tsx";
import { useCanPause, usePower } from "./use-power.ts";

const Label = ({ children }: { readonly children: string }) => <span className="max-sm:sr-only">{children}</span>;

interface WhyProps {
  readonly error: unknown;
  readonly onStop: () => void;
}

/** Why it was not paused, and what can be done instead. */
const NotPaused = ({ error, onStop }: WhyProps) => (
  <>
    <Popover.Title className="font-semibold">It can't be paused</Popover.Title>
    <FailureNote error={error} className="mt-2" />
    <Popover.Close
      render={
        <Button className="mt-3" needsServer onClick={onStop}>
          <Square aria-hidden className="size-3.5" />
          Stop it instead
        </Button>
      }
    />
  </>
);

/** What a running environment's header offers: pause, where its memory can be kept, and stop. */
export const RunningActions = ({ environment }: { readonly environment: Environment }) => {
  const ask = useStop();
  const { pause, stop } = usePower(environment.id);
  const anchor = useRef<HTMLDivElement>(null);
  const canPause = useCanPause();
  const isStopping = stop.isPending || environment.operation === "stop";
  const isPausing = pause.isPending || environment.operation === "pause";
  const isShown = pause.isError || stop.isError;
  return (
    <div ref={anchor} className="flex items-center gap-1.5 max-sm:gap-0">
      {canPause === true && (
        <Button
          look="quiet"
          command="environment.pause"
          needsServer
          busy={isPausing ? "Pausing…" : null}
          onClick={() => pause.mutate()}
        >
          <Pause aria-hidden className="size-4" />
          <Label>Pause</Label>
        </Button>
      )}
      <Button
        look="quiet"
        command="environment.stop"
        needsServer
        busy={isStopping ? "Stopping…" : null}
        onClick={() => ask({ environment, stop: () => stop.mutate(), pause: () => pause.mutate() })}
      >
        <Square aria-hidden className="size-3.5" />
        <Label>Stop</Label>
      </Button>
      <Popover.Root
        open={isShown}
        onOpenChange={(open) => {
          if (open) return;
          pause.reset();
          stop.reset();
        }}
      >
        <Popover.Portal>
          <Popover.Positioner anchor={anchor} sideOffset={8} align="end">
            <Popover.Popup
              finalFocus={focusAfterClose}
              className="fade w-96 max-w-[calc(100vw-16px)] rounded-md border border-border bg-surface p-4 text-text shadow-overlay"
            >
              {pause.isError ? (
                <NotPaused error={pause.error} onStop={() => stop.mutate()} />
              ) : (
                <>
                  <Popover.Title className="font-semibold">It was not stopped</Popover.Title>
                  <FailureNote error={stop.error} className="mt-2" />
                </>
              )}
            </Popover.Popup>
          </Popover.Positioner>
        </Popover.Portal>
      </Popover.Root>
    </div>
  );
};
