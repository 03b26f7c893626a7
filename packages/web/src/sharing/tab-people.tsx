import type { Presence } from "@microterm/protocol";
import { Eye, Hand, ShieldAlert } from "lucide-react";

/** On a tab: that others see its terminal, and that one of them asks to type. */
export const TabPeople = ({ presence: { people, count } }: { readonly presence: Presence }) => {
  if (count < 2) return null;
  if (people.some(({ isLookIn }) => isLookIn))
    return <ShieldAlert aria-label="An admin looks in:" className="size-3.5 shrink-0 text-warn" />;
  if (people.some(({ isAsking }) => isAsking))
    return <Hand aria-label="Somebody asks to type:" className="size-3.5 shrink-0 text-warn" />;
  return <Eye aria-label="Others are here:" className="size-3.5 shrink-0 text-accent" />;
};
