import type { ButtonHTMLAttributes, Ref } from "react";
import { useIsConnected } from "../api/live-events.ts";
import type { CommandId } from "../commands/table.ts";

const LOOKS = {
  primary: "bg-accent text-on-accent hover:brightness-110 font-medium border border-transparent",
  plain: "bg-surface text-text border border-border hover:bg-raised",
  danger: "bg-danger text-on-accent hover:brightness-110 font-medium border border-transparent",
  quiet: "text-muted hover:text-text hover:bg-raised border border-transparent",
} as const;

const BASE =
  "inline-flex items-center justify-center gap-1.5 h-8 rounded-md whitespace-nowrap select-none disabled:opacity-55 aria-disabled:opacity-55 disabled:cursor-default aria-disabled:cursor-default";

export const buttonClass = (look: keyof typeof LOOKS, isSquare = false): string =>
  `${BASE} ${LOOKS[look]} ${isSquare ? "w-8" : "px-3 max-sm:px-2"}`;

export interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  readonly look?: keyof typeof LOOKS;
  /** Shown instead of the text while the action runs; the button can't be pressed meanwhile. */
  readonly busy?: string | null | undefined;
  readonly isSquare?: boolean;
  /** It acts on the server: not while that does not answer. */
  readonly needsServer?: boolean;
  /** What it does, by which the palette presses it. */
  readonly command?: CommandId;
  readonly ref?: Ref<HTMLButtonElement>;
}

/** What is said of an action that waits for the server. */
const OFFLINE = "The microterm server does not answer";

export const Button = ({
  look = "plain",
  busy,
  isSquare,
  needsServer = false,
  command,
  className = "",
  children,
  ...rest
}: ButtonProps) => {
  const isOffline = !useIsConnected() && needsServer;
  const isOut = isOffline || Boolean(busy);
  return (
    <button
      type="button"
      data-command={command}
      {...rest}
      {...(isOffline && { title: OFFLINE })}
      // Not `disabled`, which would drop the focus.
      aria-disabled={isOut ? true : rest["aria-disabled"]}
      onClick={isOut ? (event) => event.preventDefault() : rest.onClick}
      className={`${buttonClass(look, isSquare)} ${className}`}
    >
      {busy ?? children}
    </button>
  );
};
