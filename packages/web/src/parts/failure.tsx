import { TriangleAlert } from "lucide-react";
import { failureOf } from "../api/queries.ts";
import { sentence } from "./words.ts";

/** What went wrong and what to do next. */
export const FailureNote = ({ error, className = "" }: { readonly error: unknown; readonly className?: string }) => {
  const { message, hint } = failureOf(error);
  return (
    <div role="alert" className={`flex gap-2 rounded-md border border-danger/45 bg-danger/8 px-3 py-2 ${className}`}>
      <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0 text-danger" />
      <p>
        {sentence(message)} <span className="text-muted">{hint}</span>
      </p>
    </div>
  );
};
