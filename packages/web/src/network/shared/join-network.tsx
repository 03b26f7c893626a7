import type { Environment } from "@microterm/protocol";
import { client } from "../../api/queries.ts";
import { joinWords, type Membership } from "./membership.ts";
import { NetworkForm } from "./network-form.tsx";
import { OtherNetworks } from "./other-networks.tsx";
import type { Run } from "./use-change.ts";

export interface JoinNetworkProps {
  readonly environment: Environment;
  readonly membership: Membership;
  readonly isBusy: boolean;
  readonly run: Run;
}

/** The networks that an environment can join, and one more by a name of its own. */
export const JoinNetwork = ({ environment: { id, state }, membership, isBusy, run }: JoinNetworkProps) => {
  const { own, others } = membership;
  const words = joinWords(own?.name ?? null, state === "running");
  const join = (name: string): void => run(`Joining ${name}…`, () => client.environments.joinNetwork(id, name));
  const createAndJoin = (name: string): void =>
    run(`Joining ${name}…`, async () => {
      await client.networks.create(name);
      await client.environments.joinNetwork(id, name);
    });
  return (
    <>
      {words !== null && <p className="mt-1 text-muted">{words}</p>}
      {others.length > 0 && (
        <OtherNetworks
          networks={others}
          isBusy={isBusy}
          onJoin={({ name }) => join(name)}
          onRemove={(network) => run(`Removing ${network.name}…`, () => client.networks.remove(network.id))}
        />
      )}
      <NetworkForm
        membership={membership}
        isBusy={isBusy}
        onWish={(wish) => ("join" in wish ? join(wish.join.name) : createAndJoin(wish.create))}
      />
    </>
  );
};
