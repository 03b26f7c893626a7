import type { Environment } from "@microterm/protocol";
import { useQuery } from "@tanstack/react-query";
import { useRef } from "react";
import { client, hostQuery } from "../../api/queries.ts";
import { FailureNote } from "../../parts/failure.tsx";
import { JoinNetwork } from "./join-network.tsx";
import { membershipOf } from "./membership.ts";
import { OwnNetwork } from "./own-network.tsx";
import { useChange } from "./use-change.ts";
import type { useSharedNetworks } from "./use-shared-networks.ts";

const Lesson = ({ name }: { readonly name: string }) => (
  <p className="mt-1 text-muted">
    Environments in one network reach each other by name, whatever their policies are; no other environment reaches
    them. On the command line:{" "}
    <code className="font-mono text-xs break-words">
      ./microterm network create team && ./microterm network join team {name}
    </code>
  </p>
);

export interface SharedNetworkPartProps {
  readonly environment: Environment;
  readonly networks: ReturnType<typeof useSharedNetworks>;
}

/** Which network an environment shares with others, and changes of that. Nothing where there are none to be had. */
export const SharedNetworkPart = ({ environment, networks: { data, error, refetch } }: SharedNetworkPartProps) => {
  const host = useQuery(hostQuery);
  const place = useRef<HTMLElement>(null);
  const change = useChange(refetch, () => place.current?.focus());
  const membership = membershipOf(environment.id, data ?? []);
  const { own, others } = membership;
  const canJoin = host.data !== undefined && host.data.networkModes.length > 0;
  if (own === null && !canJoin) return null;
  const failed = change.error ?? error;
  const isBusy = change.words !== null;
  const join = canJoin && data && <JoinNetwork {...{ environment, membership, isBusy }} run={change.run} />;
  return (
    <section ref={place} tabIndex={-1} className="mt-4 outline-none" aria-labelledby="shared-network">
      <h3 id="shared-network" className="font-semibold">
        Shared network
      </h3>
      <p role="status" className="mt-1 break-words">
        {change.words ?? (data && (own === null ? "It is in none." : `It is in ${own.name}.`))}
      </p>
      {failed !== null && <FailureNote error={failed} className="my-2" />}
      {own === null && data && others.length === 0 && <Lesson name={environment.name} />}
      {own === null && join}
      {own !== null && (
        <div key={own.id}>
          <OwnNetwork
            environment={environment}
            network={own}
            isBusy={isBusy}
            onLeave={() => change.run(`Leaving ${own.name}…`, () => client.environments.leaveNetwork(environment.id))}
          />
          {canJoin && (
            <details className="mt-2">
              <summary className="cursor-pointer rounded-md text-muted hover:text-text">Join another network</summary>
              {join}
            </details>
          )}
        </div>
      )}
    </section>
  );
};
