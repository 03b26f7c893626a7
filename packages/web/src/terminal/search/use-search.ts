import { useEffect, useState } from "react";
import type { Session } from "../session/session.ts";

export interface SearchState {
  /** How often it was asked for; 0: there is none. */
  readonly asked: number;
  readonly open: () => void;
  readonly close: () => void;
}

/** Whether a terminal is searched. Another one is not. */
export const useSearch = (session: Session | null): SearchState => {
  const [asked, setAsked] = useState(0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: over with the terminal that was searched.
  useEffect(() => setAsked(0), [session]);
  return {
    asked,
    open: () => setAsked(asked + 1),
    close: () => {
      setAsked(0);
      session?.focus();
    },
  };
};
