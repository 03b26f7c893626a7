/** All there is to know and to change about an environment's network. Loaded when it is first looked at. */
import type { Environment, NetworkPolicy } from "@microterm/protocol";
import { useQuery } from "@tanstack/react-query";
import { hostQuery } from "../api/queries.ts";
import { useNow } from "../parts/use-now.ts";
import { DenialList } from "./denial-list.tsx";
import { PolicyForm } from "./policy-form.tsx";
import { lackWords, reachWords, unenforcedWords } from "./policy-words.ts";
import { membershipOf } from "./shared/membership.ts";
import { SharedNetworkPart } from "./shared/shared-network.tsx";
import { useSharedNetworks } from "./shared/use-shared-networks.ts";
import { Traffic } from "./traffic.tsx";

const BOUNDS =
  "Under no policy it reaches this host, private networks that the server's operator has not opened, clouds' metadata, or environments that share no network with it.";

interface Networked extends Environment {
  readonly network: NetworkPolicy;
}

const hasNetwork = (environment: Environment): environment is Networked => environment.network !== null;

const WithNetwork = ({ environment }: { readonly environment: Networked }) => {
  const { id, network, state, name } = environment;
  const now = useNow(1000);
  const networks = useSharedNetworks();
  const unenforced = unenforcedWords(useQuery(hostQuery).data);
  const { own } = membershipOf(id, networks.data ?? []);
  return (
    <>
      <p className="mt-1 break-words">{reachWords(network, own?.name ?? null, now)}</p>
      {unenforced === null ? (
        <p className="mt-1 text-muted">{BOUNDS}</p>
      ) : (
        <p className="mt-1 text-warn">{unenforced}</p>
      )}
      <PolicyForm key={id} id={id} policy={network} now={now} />
      <SharedNetworkPart key={`shared ${id}`} environment={environment} networks={networks} />
      {state === "running" ? (
        <>
          <Traffic key={`traffic ${id}`} id={id} />
          <DenialList key={id} id={id} policy={network} now={now} />
        </>
      ) : (
        <p className="mt-4 text-muted">What it sends and what it is refused is shown here while it runs.</p>
      )}
      <p className="mt-4 border-t border-border pt-3 text-muted">
        On the command line: <code className="font-mono text-xs">./microterm network {name}</code>
      </p>
    </>
  );
};

export const NetworkPanel = ({ environment }: { readonly environment: Environment }) => {
  const host = useQuery(hostQuery);
  if (hasNetwork(environment)) return <WithNetwork environment={environment} />;
  return (
    <div className="mt-1 grid gap-1" data-network="none">
      {lackWords(environment, host.data)?.map((line) => (
        <p key={line}>{line}</p>
      ))}
      {environment.isolation !== "none" && host.data?.networkModes.length === 0 && (
        <p className="text-muted">
          What is missing, and what to do, says: <code className="font-mono text-xs">./microterm doctor</code>
        </p>
      )}
    </div>
  );
};
