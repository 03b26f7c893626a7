import type { EnvironmentId, SharedNetwork } from "@microterm/protocol";
import { Link } from "@tanstack/react-router";
import { fullName } from "./membership.ts";

export interface MemberListProps {
  readonly network: SharedNetwork;
  /** Whose panel it is. */
  readonly self: EnvironmentId;
}

export const MemberList = ({ network, self }: MemberListProps) => (
  <ul aria-label={`Members of ${network.name}`} className="mt-1 -mx-2">
    {network.members.map(({ id, name, address }) => (
      <li key={id} className="flex min-h-9 flex-wrap items-center gap-x-2 rounded-md px-2 py-1 hover:bg-raised">
        <span className="grid min-w-0 flex-[1_1_10rem]">
          {id === self ? (
            <span className="font-medium break-all">
              {name} <span className="font-normal text-muted">(this one)</span>
            </span>
          ) : (
            <Link
              to="/e/$id"
              params={{ id }}
              className="justify-self-start rounded-md font-medium break-all text-accent underline underline-offset-2"
            >
              {name}
            </Link>
          )}
          <span className="font-mono text-xs break-all text-muted">{fullName(name, network.name)}</span>
        </span>
        <span className={`ml-auto shrink-0 text-muted ${address === null ? "" : "font-mono text-xs"}`}>
          {address ?? "not running"}
        </span>
      </li>
    ))}
  </ul>
);
