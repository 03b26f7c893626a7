/** What may lie over or beside a terminal. None of it takes the focus by itself but the preview of a paste. */
import { AlertDialog } from "@base-ui/react/alert-dialog";
import { Info, X } from "lucide-react";
import { useEffect, useState } from "react";
import { Button } from "../../parts/button.tsx";
import { FailureNote } from "../../parts/failure.tsx";
import { exitWords } from "../../parts/words.ts";
import { previewOf } from "../session/paste.ts";
import type { Session } from "../session/session.ts";
import type { SessionState } from "../session/session-state.ts";

const useCountdown = (until: number | null): number => {
  const [, tick] = useState(0);
  useEffect(() => {
    if (until === null) return;
    const timer = setInterval(() => tick((n) => n + 1), 250);
    return () => clearInterval(timer);
  }, [until]);
  return until === null ? 0 : Math.ceil((until - performance.now()) / 1000);
};

export const ReconnectCover = ({
  retryAt,
  onRetry,
}: {
  readonly retryAt: number | null;
  readonly onRetry: () => void;
}) => {
  const seconds = useCountdown(retryAt);
  return (
    <div
      className="late pointer-events-none absolute inset-0 grid place-items-center bg-veil"
      data-cover="reconnecting"
    >
      <div className="pointer-events-auto flex max-w-[calc(100%-32px)] flex-wrap items-center gap-x-4 gap-y-2 rounded-md border border-border bg-surface px-4 py-3 shadow-overlay">
        <p role="status">
          <span className="font-semibold">Reconnecting…</span>
          <span className="block text-muted">Your session continues where it was.</span>
        </p>
        <Button
          // Pressing it must not take the focus from the terminal.
          onPointerDown={(event) => event.preventDefault()}
          onClick={onRetry}
          disabled={retryAt === null}
          className="min-w-36 tabular-nums"
        >
          {seconds > 0 ? `Retry now (${seconds} s)` : "Retry now"}
        </Button>
      </div>
    </div>
  );
};

/** Over the terminal, not above it: its size must not change for a notice. */
export const NoticeBar = ({ notice, onDismiss }: { readonly notice: string; readonly onDismiss: () => void }) => (
  <div className="absolute top-2 right-4 z-1 flex max-w-[min(560px,90%)] items-center gap-2 rounded-md border border-border bg-raised py-1 pr-1 pl-3 shadow-overlay">
    <Info aria-hidden className="size-4 shrink-0 text-accent" />
    <p role="status">{notice}</p>
    <Button look="quiet" isSquare className="ml-auto" aria-label="Dismiss" onClick={onDismiss}>
      <X aria-hidden className="size-4" />
    </Button>
  </div>
);

export interface FailureBarProps {
  readonly error: unknown;
  readonly action: string;
  readonly onAction: () => void;
}

/** Over the terminal too: what failed beside it must not change its size. */
export const FailureBar = ({ error, action, onAction }: FailureBarProps) => (
  <div className="absolute top-2 left-1/2 z-1 flex w-max max-w-[calc(100%-32px)] -translate-x-1/2 items-center gap-2 rounded-md border border-border bg-surface p-1.5 shadow-overlay">
    <FailureNote error={error} />
    <Button look="quiet" onClick={onAction}>
      {action}
    </Button>
  </div>
);

export interface EndBarProps {
  readonly state: SessionState;
  readonly busy: boolean;
  readonly onNew: () => void;
  /** Null where it is the only one. */
  readonly onClose: (() => void) | null;
}

export const EndBar = ({ state, busy, onNew, onClose }: EndBarProps) => (
  <div className="flex h-11 shrink-0 items-center gap-3 border-t border-border bg-raised px-3">
    <p role="status">
      {state.exit ? exitWords(state.exit) : `This terminal has ended: ${state.endReason ?? "it is gone"}`}
    </p>
    <span className="ml-auto flex gap-2">
      {onClose && (
        <Button className="max-sm:hidden" onClick={onClose}>
          Close the tab
        </Button>
      )}
      <Button look="primary" needsServer busy={busy ? "Opening…" : null} onClick={onNew}>
        New terminal
      </Button>
    </span>
  </div>
);

export const LinkTarget = ({ target }: { readonly target: string }) => (
  <p className="pointer-events-none absolute bottom-0 left-0 max-w-[75%] truncate rounded-tr-md border-t border-r border-border bg-surface px-2 py-0.5 font-mono text-xs text-muted">
    {target}
  </p>
);

export const PastePreview = ({ text, session }: { readonly text: string | null; readonly session: Session }) => {
  const { lines, total } = previewOf(text ?? "");
  return (
    <AlertDialog.Root open={text !== null} onOpenChange={(open) => !open && session.decidePaste(false)}>
      <AlertDialog.Portal>
        <AlertDialog.Backdrop className="fade fixed inset-0 bg-scrim" />
        <AlertDialog.Popup
          finalFocus={false}
          className="fade fixed top-[18vh] left-1/2 w-[min(560px,calc(100vw-32px))] -translate-x-1/2 rounded-md border border-border bg-surface p-5 shadow-overlay"
        >
          <AlertDialog.Title className="text-[15px] font-semibold">
            Paste {total === 1 ? "a line" : `${total} lines`}?
          </AlertDialog.Title>
          <AlertDialog.Description className="mt-1 text-muted">
            The program in the terminal runs each line as it comes.
          </AlertDialog.Description>
          <pre className="mt-3 max-h-64 overflow-auto rounded-md border border-border bg-terminal p-3 font-mono text-xs">
            {lines.join("\n")}
            {total > lines.length && <span className="text-muted">{`\n… ${total - lines.length} more lines`}</span>}
          </pre>
          <div className="mt-4 flex justify-end gap-2">
            <Button onClick={() => session.decidePaste(false)}>Cancel</Button>
            <Button look="primary" autoFocus onClick={() => session.decidePaste(true)}>
              Paste
            </Button>
          </div>
        </AlertDialog.Popup>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  );
};
