import type { AdminAct } from "@microterm/protocol";
import { momentWords } from "../parts/account/people-words.ts";
import { Plain } from "../parts/plain.tsx";

/** Who did what, and when. */
export const ActLine = ({ of: { kind, at, admin, environmentName, recipient } }: { readonly of: AdminAct }) => (
  <p className="min-w-0 break-words">
    The admin <Plain text={admin} className="font-medium" />
    {kind === "look-in" ? " looked into a terminal of " : " gave "}
    <Plain text={environmentName} className="font-medium" />
    {recipient !== null && (
      <>
        {" to "}
        <Plain text={recipient} className="font-medium" />
      </>
    )}
    <time dateTime={at} className="text-muted">
      {" "}
      · {momentWords(at)}
    </time>
  </p>
);
