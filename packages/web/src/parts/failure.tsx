import { TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { failureOf } from "../api/queries.ts";
import { sentence } from "./words.ts";

export interface FailureBoxProps {
  readonly message: ReactNode;
  readonly hint: ReactNode;
  readonly className?: string;
}

export const FailureBox = ({ message, hint, className = "" }: FailureBoxProps) => (
  <div role="alert" className={`flex gap-2 rounded-md border border-danger/45 bg-danger/8 px-3 py-2 ${className}`}>
    <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0 text-danger" />
    <p>
      {message} <span className="text-muted">{hint}</span>
    </p>
  </div>
);

/** What went wrong and what to do next. */
export const FailureNote = ({ error, className = "" }: { readonly error: unknown; readonly className?: string }) => {
  const { message, hint } = failureOf(error);
  return <FailureBox message={sentence(message)} hint={hint} className={className} />;
};
