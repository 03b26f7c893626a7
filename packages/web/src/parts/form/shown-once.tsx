import { useEffect, useId, useRef } from "react";
import { CopyButton } from "../../ports/copy-button.tsx";

export interface ShownOnceProps {
  readonly label: string;
  readonly text: string;
  /** What becomes of it. */
  readonly words: string;
}

/** A secret that the server does not show again: to be copied now. */
export const ShownOnce = ({ label, text, words }: ShownOnceProps) => {
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), []);
  return (
    <div className="grid gap-1 rounded-md border border-accent/50 bg-accent/8 px-3 py-2">
      <label htmlFor={id} className="font-medium">
        {label}
      </label>
      <div className="flex items-center gap-1">
        <input
          id={id}
          readOnly
          ref={input}
          autoComplete="off"
          value={text}
          onFocus={({ currentTarget }) => currentTarget.select()}
          className="h-8 min-w-0 flex-1 rounded-md border border-border bg-bg px-2 font-mono text-xs"
        />
        <CopyButton text={text} label={`Copy: ${label}`} />
      </div>
      <p role="status" className="text-text/80">
        This is shown once. {words}
      </p>
    </div>
  );
};
