import type { SharedTerminal } from "@microterm/protocol";
import { Plain } from "../../parts/plain.tsx";

/** How one who leaves a shared terminal comes to see it again. */
export const WayBack = ({ kind, owner }: Pick<SharedTerminal, "kind" | "owner">) => {
  if (kind === "link") return <p>The link that you came by leads to it again, until it ends.</p>;
  if (kind === "look-in") return <p>To see it again you look in again, which is written in the audit log.</p>;
  return (
    <p>
      To see it again, <Plain text={owner} /> has to share it again.
    </p>
  );
};
