import type { SharedNetwork } from "@microterm/protocol";
import { X } from "lucide-react";
import { Button } from "../../parts/button.tsx";
import { membersWords } from "./membership.ts";

export interface OtherNetworksProps {
  readonly networks: readonly SharedNetwork[];
  readonly isBusy: boolean;
  readonly onJoin: (network: SharedNetwork) => void;
  readonly onRemove: (network: SharedNetwork) => void;
}

/** Networks to join, and to remove where nothing is in them. */
export const OtherNetworks = ({ networks, isBusy, onJoin, onRemove }: OtherNetworksProps) => (
  <ul aria-label="Networks to join" className="mt-1 -ml-2">
    {networks.map((network) => {
      const { id, name, members } = network;
      return (
        <li key={id} className="flex min-h-9 flex-wrap items-center gap-x-2 rounded-md pl-2 hover:bg-raised">
          <span className="min-w-0 flex-[1_1_10rem] break-all">
            <span className="font-medium">{name}</span> <span className="text-muted">{membersWords(network)}</span>
          </span>
          <span className="ml-auto flex shrink-0">
            {members.length === 0 && (
              <Button
                look="quiet"
                isSquare
                needsServer
                aria-disabled={isBusy || undefined}
                aria-label={`Remove network ${name}`}
                title="Remove: it has no members"
                onClick={() => onRemove(network)}
              >
                <X aria-hidden className="size-4" />
              </Button>
            )}
            <Button
              look="quiet"
              needsServer
              aria-disabled={isBusy || undefined}
              aria-label={`Join ${name}`}
              onClick={() => onJoin(network)}
            >
              Join
            </Button>
          </span>
        </li>
      );
    })}
  </ul>
);
