import { useRef } from "react";

/** What was there last: what a dialog shows while it closes. */
export const useLatest = <T>(value: T | null): T | null => {
  const latest = useRef(value);
  if (value !== null) latest.current = value;
  return latest.current;
};
