import { hkdfSync } from "node:crypto";
import type { Server } from "node:http";
import type { EnvironmentService, Storage } from "@microterm/core";
import type { KeyPair } from "@microterm/host";
import type { Config } from "../config.ts";
import { shownAddress } from "../listen/shown-address.ts";
import { StartError } from "../process/start-error.ts";
import { createForwarding, type Forwarding, type ForwardingOptions } from "./forwarding.ts";
import { createPeerConnections } from "./peer-connections.ts";
import { listenForPeers, type PeerListener } from "./peer-listener.ts";
import { answerPeers } from "./peer-questions.ts";
import { createPeerTitles, type FindTitle } from "./peer-titles.ts";
import { createPeerViews, withPeerViews } from "./peer-views.ts";

/** This server's part in a fleet. */
export interface FleetServer {
  readonly forwarding: Forwarding;
  /** Those of all servers. */
  readonly environments: EnvironmentService;
  /** Of a terminal of any server. */
  readonly titleOf: FindTitle;
  /** With which sign-ins at a provider are sealed: who begins at one server may come back to another. */
  readonly flowKey: Uint8Array;
  /** Lets peers in. Rejects with a {@link StartError} where the address is not to be had. */
  listen(main: Server): Promise<void>;
  close(): void;
}

export interface FleetServerOptions extends Omit<ForwardingOptions, "fleet" | "environments" | "peers"> {
  /** `--fleet`. */
  readonly at: NonNullable<Config["fleet"]>;
  readonly identity: KeyPair;
  readonly storage: Storage;
  readonly environments: EnvironmentService;
  readonly titleHere: FindTitle;
}

export function openFleet({
  at,
  identity,
  storage,
  environments,
  titleHere,
  ...options
}: FleetServerOptions): FleetServer {
  const { fleet } = storage;
  const peers = createPeerConnections({ fleet, identity });
  const views = createPeerViews({ fleet, peers, storage, environments });
  const titles = createPeerTitles({ fleet, peers, environments: storage.environments, titleHere });
  const forwarding = createForwarding({ ...options, fleet, environments: storage.environments, peers });
  const answer = answerPeers({ ...views.answers, ...titles.answers });
  let listener: PeerListener | null = null;
  return {
    forwarding,
    environments: withPeerViews(environments, views),
    titleOf: titles.titleOf,
    flowKey: new Uint8Array(hkdfSync("sha256", identity.key, "", "microterm sign-in at a provider", 32)),
    async listen(main) {
      try {
        listener = await listenForPeers({ ...at, identity, main, answer });
      } catch (error) {
        const { code = "" } = error as NodeJS.ErrnoException;
        if (!["EADDRINUSE", "EADDRNOTAVAIL", "EACCES"].includes(code)) throw error;
        throw new StartError(
          `--fleet ${shownAddress(at)} is not to be had here (${code}). Try another address or port`,
        );
      }
    },
    close() {
      listener?.close();
      peers.dispose();
    },
  };
}
