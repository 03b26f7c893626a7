import { useQuery } from "@tanstack/react-query";
import { useNow } from "../parts/use-now.ts";
import { ActLine } from "./act-line.tsx";
import { actsQuery } from "./acts-query.ts";

/** As long as a removal is remembered; one's account has it for good. */
const TOLD_MS = 7 * 24 * 3_600_000;

/** In the list: environments that are missing in it because an admin has given them to somebody else. */
export const HandedOver = () => {
  const acts = useQuery(actsQuery);
  const now = useNow(60_000);
  const told = acts.data?.filter(({ kind, at }) => kind === "transfer" && now - Date.parse(at) < TOLD_MS) ?? [];
  if (told.length === 0) return null;
  return (
    <ul aria-label="Given to others" className="grid gap-1 border-y border-border bg-surface px-4 py-2">
      {told.map((act) => (
        <li key={act.id}>
          <ActLine of={act} />
        </li>
      ))}
    </ul>
  );
};
