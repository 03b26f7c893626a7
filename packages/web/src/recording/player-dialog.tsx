import { Dialog } from "@base-ui/react/dialog";
import { X } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { buttonClass } from "../parts/button.tsx";
import { FailureNote } from "../parts/failure.tsx";
import { focusAfterClose } from "../parts/focus.ts";

interface ScreenProps {
  readonly load: () => Promise<Response>;
}

const Screen = ({ load }: ScreenProps) => {
  const host = useRef<HTMLDivElement>(null);
  const [error, setError] = useState<unknown>(null);
  const [isReady, setReady] = useState(false);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a dialog plays one recording.
  useEffect(() => {
    let dispose: (() => void) | null = null;
    let isOver = false;
    const begin = async (): Promise<void> => {
      const [{ play }, cast] = await Promise.all([import("./player.ts"), load().then((response) => response.text())]);
      if (isOver || host.current === null) return;
      dispose = play(host.current, cast).dispose;
      setReady(true);
    };
    begin().catch(setError);
    return () => {
      isOver = true;
      dispose?.();
    };
  }, []);
  return (
    <>
      {error !== null && <FailureNote error={error} className="m-4" />}
      {error === null && !isReady && (
        <p role="status" className="late p-4 text-muted">
          Loading the recording…
        </p>
      )}
      <div ref={host} data-player={isReady ? "ready" : "loading"} className="max-h-[calc(100dvh-100px)] bg-terminal" />
    </>
  );
};

export interface PlayerDialogProps {
  /** What is played; null: closed. */
  readonly recording: { readonly name: string; readonly load: () => Promise<Response> } | null;
  readonly onClose: () => void;
}

/** Plays a recording over the page. Space, arrows and digits are the player's keys. */
export const PlayerDialog = ({ recording, onClose }: PlayerDialogProps) => (
  <Dialog.Root open={recording !== null} onOpenChange={(open) => !open && onClose()}>
    <Dialog.Portal>
      <Dialog.Backdrop className="fade fixed inset-0 bg-scrim" />
      <Dialog.Popup
        finalFocus={focusAfterClose}
        className="fade fixed top-1/2 left-1/2 w-[min(1040px,calc(100vw-24px))] -translate-1/2 overflow-hidden rounded-md border border-border bg-surface shadow-overlay"
      >
        <div className="flex h-11 items-center gap-3 border-b border-border pr-1.5 pl-4">
          <Dialog.Title className="truncate font-semibold">{recording?.name}</Dialog.Title>
          <Dialog.Close aria-label="Close" className={`ml-auto ${buttonClass("quiet", true)}`}>
            <X aria-hidden className="size-4" />
          </Dialog.Close>
        </div>
        {recording && <Screen load={recording.load} />}
      </Dialog.Popup>
    </Dialog.Portal>
  </Dialog.Root>
);
