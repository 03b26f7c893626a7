import { Dialog } from "@base-ui/react/dialog";
import { X } from "lucide-react";
import type { ReactNode, RefObject } from "react";
import { buttonClass } from "../button.tsx";
import { focusAfterClose } from "../focus.ts";

export interface WindowProps {
  readonly title: ReactNode;
  readonly isOpen: boolean;
  readonly onClose: () => void;
  /** What has the focus once it is closed, after use by keys; what had it before where this is left out. */
  readonly opener?: RefObject<HTMLElement | null>;
  readonly children: ReactNode;
}

/** A dialog with a title and a cross, for a form. */
export const Window = ({ title, isOpen, onClose, opener, children }: WindowProps) => (
  <Dialog.Root open={isOpen} onOpenChange={(open) => !open && onClose()}>
    <Dialog.Portal>
      <Dialog.Backdrop className="fade fixed inset-0 bg-scrim" />
      <Dialog.Popup
        finalFocus={() => {
          const to = focusAfterClose();
          return to === true ? (opener?.current ?? true) : to;
        }}
        className="fade fixed top-[12vh] left-1/2 max-h-[80vh] w-[min(480px,calc(100vw-24px))] -translate-x-1/2 overflow-auto rounded-md border border-border bg-surface shadow-overlay"
      >
        <div className="flex h-11 items-center gap-3 border-b border-border pr-1.5 pl-4">
          <Dialog.Title className="truncate font-semibold">{title}</Dialog.Title>
          <Dialog.Close aria-label="Close" className={`ml-auto ${buttonClass("quiet", true)}`}>
            <X aria-hidden className="size-4" />
          </Dialog.Close>
        </div>
        <div className="p-4">{children}</div>
      </Dialog.Popup>
    </Dialog.Portal>
  </Dialog.Root>
);
