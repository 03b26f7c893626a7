import { AlertDialog } from "@base-ui/react/alert-dialog";
import { Button } from "../../parts/button.tsx";

export interface CloseDialogProps {
  /** The tab's name; null while nothing is asked. */
  readonly name: string | null;
  /** Is it certain that something runs? */
  readonly isBusy: boolean;
  readonly onDecide: (isWanted: boolean) => void;
}

/** Asks before a terminal is closed under a program. */
export const CloseDialog = ({ name, isBusy, onDecide }: CloseDialogProps) => (
  <AlertDialog.Root open={name !== null} onOpenChange={(open) => !open && onDecide(false)}>
    <AlertDialog.Portal>
      <AlertDialog.Backdrop className="fade fixed inset-0 bg-scrim" />
      <AlertDialog.Popup
        finalFocus={false}
        className="fade fixed top-[22vh] left-1/2 w-[min(440px,calc(100vw-32px))] -translate-x-1/2 rounded-md border border-border bg-surface p-5 shadow-overlay"
      >
        <AlertDialog.Title className="truncate text-[15px] font-semibold">Close {name}?</AlertDialog.Title>
        <AlertDialog.Description className="mt-2 text-muted">
          {isBusy ? "A program runs in it and ends with it." : "Its shell and whatever runs in it end."}
        </AlertDialog.Description>
        <div className="mt-5 flex justify-end gap-2">
          <Button onClick={() => onDecide(false)}>Keep it</Button>
          <Button look="danger" autoFocus onClick={() => onDecide(true)}>
            Close
          </Button>
        </div>
      </AlertDialog.Popup>
    </AlertDialog.Portal>
  </AlertDialog.Root>
);
