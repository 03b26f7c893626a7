import type { Person } from "@microterm/protocol";
import { Plain } from "../parts/plain.tsx";

/** A name; where no account vouches for it, it is marked. */
export const PersonName = ({ of: { name, isVerified } }: { readonly of: Pick<Person, "name" | "isVerified"> }) => {
  if (isVerified && name !== null) return <Plain text={name} className="truncate font-medium" />;
  return (
    <span className="inline-flex min-w-0 items-center gap-1.5">
      {name !== null && (
        <span className="truncate font-medium">
          “<Plain text={name} />”
        </span>
      )}
      <span className="shrink-0 rounded-sm border border-warn/60 px-1 text-xs text-text">
        {name === null ? "Somebody without an account" : "no account"}
      </span>
    </span>
  );
};
