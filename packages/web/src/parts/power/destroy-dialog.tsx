import { AlertDialog } from "@base-ui/react/alert-dialog";
import type { Environment, Receipt } from "@microterm/protocol";
import { useMutation } from "@tanstack/react-query";
import { createContext, type ReactNode, useContext, useRef, useState } from "react";
import { client } from "../../api/queries.ts";
import { Button } from "../button.tsx";
import { FailureNote } from "../failure.tsx";
import { focusAfterClose } from "../focus.ts";
import { receiptWords } from "../words.ts";

type Request = (environment: Environment, onGone?: () => void) => void;
const Context = createContext<Request>(() => undefined);

/** Asks before an environment is destroyed, and shows the receipt. Lives above the pages, which change meanwhile. */
export const useDestroyDialog = (): Request => useContext(Context);

const Receipted = ({ receipt }: { readonly receipt: Receipt }) => (
  <>
    <AlertDialog.Title className="text-[15px] font-semibold">{receipt.name} was removed</AlertDialog.Title>
    <AlertDialog.Description className="mt-2 text-muted" data-receipt={receipt.environment}>
      {receiptWords(receipt)}
    </AlertDialog.Description>
  </>
);

export const DestroyDialog = ({ children }: { readonly children: ReactNode }) => {
  const [environment, setEnvironment] = useState<Environment | null>(null);
  const [isOpen, setOpen] = useState(false);
  const onGone = useRef<(() => void) | undefined>(undefined);
  const destroy = useMutation({
    mutationFn: (id: string) => client.environments.remove(id),
    // The page behind the receipt is not that of a thing that is gone.
    onSuccess: () => onGone.current?.(),
  });
  const request: Request = (wanted, then) => {
    destroy.reset();
    onGone.current = then;
    setEnvironment(wanted);
    setOpen(true);
  };
  const close = (): void => setOpen(false);
  return (
    <Context value={request}>
      {children}
      <AlertDialog.Root open={isOpen} onOpenChange={(open) => !open && !destroy.isPending && close()}>
        <AlertDialog.Portal>
          <AlertDialog.Backdrop className="fade fixed inset-0 bg-scrim" />
          <AlertDialog.Popup
            // What asked for it may be gone with it: then on with what the page has.
            finalFocus={() =>
              destroy.data ? document.querySelector<HTMLElement>("main a, main button") : focusAfterClose()
            }
            className="fade fixed top-[22vh] left-1/2 w-[min(440px,calc(100vw-32px))] -translate-x-1/2 rounded-md border border-border bg-surface p-5 shadow-overlay"
          >
            {destroy.data ? (
              <Receipted receipt={destroy.data} />
            ) : (
              <>
                <AlertDialog.Title className="text-[15px] font-semibold">Remove {environment?.name}?</AlertDialog.Title>
                <AlertDialog.Description className="mt-2 text-muted">
                  Its terminals end and its disk is deleted. This can't be undone.
                </AlertDialog.Description>
              </>
            )}
            {destroy.isError && <FailureNote error={destroy.error} className="mt-3" />}
            <div className="mt-5 flex justify-end gap-2" aria-live="polite">
              {destroy.data ? (
                // A key: as the place of "Keep it" it would not take the focus.
                <Button key="done" look="primary" autoFocus onClick={close}>
                  Done
                </Button>
              ) : (
                <>
                  <Button onClick={close} disabled={destroy.isPending}>
                    Keep it
                  </Button>
                  <Button
                    look="danger"
                    needsServer
                    busy={destroy.isPending ? "Removing…" : null}
                    onClick={() => environment && destroy.mutate(environment.id)}
                  >
                    Remove
                  </Button>
                </>
              )}
            </div>
          </AlertDialog.Popup>
        </AlertDialog.Portal>
      </AlertDialog.Root>
    </Context>
  );
};
