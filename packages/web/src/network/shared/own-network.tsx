import type { Environment, SharedNetwork } from "@microterm/protocol";
import { useState } from "react";
import { Button } from "../../parts/button.tsx";
import { MemberList } from "./member-list.tsx";
import { leaveWords } from "./membership.ts";

/** It comes below what was pressed, where the panel may end. */
const show = (asked: HTMLElement | null): void => asked?.scrollIntoView({ block: "nearest" });

export interface OwnNetworkProps {
  readonly environment: Environment;
  readonly network: SharedNetwork;
  readonly isBusy: boolean;
  readonly onLeave: () => void;
}

/** The network that an environment is in. To leave it ends connections, and is asked about first. */
export const OwnNetwork = ({ environment: { id, name, state }, network, isBusy, onLeave }: OwnNetworkProps) => {
  const [isAsking, setIsAsking] = useState(false);
  return (
    <>
      <div className="mt-1 flex items-start gap-2">
        <p className="min-w-0 flex-1 break-words text-muted">
          Members reach it as <code className="font-mono text-xs text-text">{name}</code>, whatever their policies are.
        </p>
        <Button needsServer aria-expanded={isAsking} onClick={() => setIsAsking(!isAsking)}>
          Leave…
        </Button>
      </div>
      {isAsking && (
        <div ref={show} className="mt-2 flex flex-wrap items-center gap-2">
          <p className="min-w-48 flex-1 text-muted">{leaveWords(network.name, state === "running")}</p>
          <Button look="primary" needsServer aria-disabled={isBusy || undefined} onClick={onLeave}>
            Leave {network.name}
          </Button>
        </div>
      )}
      <MemberList network={network} self={id} />
    </>
  );
};
