import { type Fleet, type Storage, SYSTEM } from "@microterm/core";
import { EnvironmentId } from "@microterm/protocol";
import { z } from "zod";
import type { PeerConnections } from "./peer-connections.ts";
import { askPeer, type PeerAnswers } from "./peer-questions.ts";

const PATH = "/peers/title";
/** As terminal events have them. */
const Title = z.string().max(256);

/** A newer peer may say more. */
const Asked = z.object({ environment: EnvironmentId, terminal: z.string().max(32) });
const Answered = z.object({ title: Title });

export type FindTitle = (environment: EnvironmentId, terminal: string) => Promise<string>;

export interface PeerTitlesOptions {
  readonly fleet: Fleet;
  readonly peers: PeerConnections;
  readonly environments: Pick<Storage["environments"], "get">;
  /** Of a terminal that this server follows; empty of others. */
  readonly titleHere: FindTitle;
}

/** Titles of terminals, which their holders know. One that is not told in time is empty. */
export function createPeerTitles({ fleet, peers, environments, titleHere }: PeerTitlesOptions): {
  readonly titleOf: FindTitle;
  readonly answers: PeerAnswers;
} {
  return {
    async titleOf(environment, terminal) {
      const server = (await environments.get(environment, SYSTEM))?.server ?? null;
      const peer = server === null ? null : await fleet.peer(server);
      if (peer === null) return titleHere(environment, terminal);
      const answer = askPeer(peers, peer, { path: PATH, asked: { environment, terminal } });
      return answer.then(
        (answered) => Answered.safeParse(answered).data?.title ?? "",
        () => "",
      );
    },
    answers: {
      [PATH]: async (asked) => {
        const { environment, terminal } = Asked.parse(asked);
        return { title: await titleHere(environment, terminal) };
      },
    },
  };
}
