import { Button } from "../../parts/button.tsx";

export interface CopyConsentProps {
  readonly text: string;
  /** `isAllowed`: this time, and from now on. */
  readonly onDecide: (isAllowed: boolean) => void;
}

/** Asked once: a program wants to write the clipboard. */
export const CopyConsent = ({ text, onDecide }: CopyConsentProps) => (
  <div className="absolute top-2 right-4 z-1 flex max-w-[min(560px,90%)] flex-wrap items-center gap-2 rounded-md border border-border bg-raised py-1 pr-1 pl-3 shadow-overlay">
    <p role="status">
      A program here wants to copy {text.length.toLocaleString("en")} characters to your clipboard. It can never read
      it.
    </p>
    <span className="ml-auto flex gap-2">
      <Button look="quiet" onClick={() => onDecide(false)}>
        Never
      </Button>
      <Button onClick={() => onDecide(true)}>Always allow</Button>
    </span>
  </div>
);
