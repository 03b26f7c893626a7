import { AlertDialog } from "@base-ui/react/alert-dialog";
import type { ReactNode } from "react";
import { Button } from "../button.tsx";
import { FailureNote } from "../failure.tsx";
import { focusAfterClose } from "../focus.ts";

export interface QuestionProps {
  readonly title: ReactNode;
  /** What comes of it. */
  readonly children: ReactNode;
  readonly isOpen: boolean;
  readonly no: string;
  /** Null: it cannot be done. */
  readonly yes: string | null;
  /** Shown while it is being done; null: it is not. */
  readonly busy: string | null;
  readonly error: unknown;
  readonly onNo: () => void;
  readonly onYes: () => void;
  /** Where the focus goes when it closes, where that is not what had opened it. */
  readonly finalFocus?: () => HTMLElement | boolean;
}

/** Asks before something that cannot be taken back, and stays while it is done. */
export const Question = ({ title, children, isOpen, no, yes, busy, error, onNo, onYes, finalFocus }: QuestionProps) => (
  <AlertDialog.Root open={isOpen} onOpenChange={(open) => !open && busy === null && onNo()}>
    <AlertDialog.Portal>
      <AlertDialog.Backdrop className="fade fixed inset-0 bg-scrim" />
      <AlertDialog.Popup
        finalFocus={finalFocus ?? focusAfterClose}
        className="fade fixed top-[22vh] left-1/2 w-[min(440px,calc(100vw-32px))] -translate-x-1/2 rounded-md border border-border bg-surface p-5 shadow-overlay"
      >
        <AlertDialog.Title className="text-[15px] font-semibold">{title}</AlertDialog.Title>
        <AlertDialog.Description render={<div />} className="mt-2 grid gap-3 text-muted">
          {children}
        </AlertDialog.Description>
        {error !== null && <FailureNote error={error} className="mt-3" />}
        <div className="mt-5 flex flex-wrap justify-end gap-2">
          <Button onClick={onNo} disabled={busy !== null}>
            {no}
          </Button>
          {yes !== null && (
            <Button look="danger" needsServer busy={busy} onClick={onYes}>
              {yes}
            </Button>
          )}
        </div>
      </AlertDialog.Popup>
    </AlertDialog.Portal>
  </AlertDialog.Root>
);
