import { AlertDialog } from "@base-ui/react/alert-dialog";
import type { Environment } from "@microterm/protocol";
import { createContext, type ReactNode, useContext, useRef, useState } from "react";
import { type Running, whatRuns } from "../../terminal/session/running.ts";
import { Button } from "../button.tsx";
import { focusAfterClose } from "../focus.ts";
import { useCanPause } from "./use-power.ts";

interface Request {
  readonly environment: Environment;
  readonly stop: () => void;
  readonly pause: () => void;
}

const Context = createContext<(request: Request) => void>(() => undefined);

/** Stops an environment at once where nothing runs in it, and asks first where something does, or may. */
export const useStop = (): ((request: Request) => void) => useContext(Context);

const WORDS: Readonly<Record<Exclude<Running, "nothing">, string>> = {
  program: "A program runs in it, and ends with it.",
  recording: "A terminal is being recorded: the recording ends with it.",
  unknown: "Whatever runs in it ends.",
};

export const StopDialog = ({ children }: { readonly children: ReactNode }) => {
  const canPause = useCanPause();
  const [asked, setAsked] = useState<(Request & { readonly running: Exclude<Running, "nothing"> }) | null>(null);
  const [isOpen, setOpen] = useState(false);
  const isAsking = useRef(false);
  const request = async (wanted: Request): Promise<void> => {
    if (isAsking.current) return;
    isAsking.current = true;
    const running = await whatRuns(wanted.environment).finally(() => {
      isAsking.current = false;
    });
    if (running === "nothing") return wanted.stop();
    setAsked({ ...wanted, running });
    setOpen(true);
  };
  const decide = (act?: () => void): void => {
    setOpen(false);
    act?.();
  };
  return (
    <Context value={(wanted) => void request(wanted)}>
      {children}
      <AlertDialog.Root open={isOpen} onOpenChange={setOpen}>
        <AlertDialog.Portal>
          <AlertDialog.Backdrop className="fade fixed inset-0 bg-scrim" />
          <AlertDialog.Popup
            finalFocus={focusAfterClose}
            className="fade fixed top-[22vh] left-1/2 w-[min(440px,calc(100vw-32px))] -translate-x-1/2 rounded-md border border-border bg-surface p-5 shadow-overlay"
          >
            <AlertDialog.Title className="text-[15px] font-semibold">Stop {asked?.environment.name}?</AlertDialog.Title>
            <AlertDialog.Description className="mt-2 text-muted">
              {asked && WORDS[asked.running]} Its disk is kept.
              {canPause === true && " A pause keeps its memory too: programs go on where they were."}
            </AlertDialog.Description>
            <div className="mt-5 flex flex-wrap justify-end gap-2">
              <Button onClick={() => decide()}>Keep it running</Button>
              {canPause === true && (
                <Button needsServer onClick={() => decide(asked?.pause)}>
                  Pause it instead
                </Button>
              )}
              <Button look="danger" needsServer onClick={() => decide(asked?.stop)}>
                Stop
              </Button>
            </div>
          </AlertDialog.Popup>
        </AlertDialog.Portal>
      </AlertDialog.Root>
    </Context>
  );
};
