import type { EnvironmentService } from "@microterm/core";
import type { EnvironmentId, ListeningPorts } from "@microterm/protocol";

export interface PortFollower {
  ports(list: ListeningPorts): void;
  /** Last of all: there is nothing to follow, or no more. */
  ended(error: Error): void;
}

/** What listens in guests, for as long as somebody looks: one stream for all who look at one guest. */
export interface PortWatches {
  /** Returns what ends it. */
  follow(environment: EnvironmentId, follower: PortFollower): () => void;
}

interface Watch {
  readonly followers: Set<PortFollower>;
  readonly abort: AbortController;
  last: ListeningPorts | null;
}

export function createPortWatches({ agentOf }: Pick<EnvironmentService, "agentOf">): PortWatches {
  const watches = new Map<EnvironmentId, Watch>();

  function begin(environment: EnvironmentId): Watch {
    const watch: Watch = { followers: new Set(), abort: new AbortController(), last: null };
    watches.set(environment, watch);
    const { signal } = watch.abort;
    const end = (error: Error): void => {
      if (watches.get(environment) === watch) watches.delete(environment);
      for (const follower of [...watch.followers]) follower.ended(error);
      watch.followers.clear();
    };
    const events = {
      ports(list: ListeningPorts) {
        watch.last = list;
        for (const follower of [...watch.followers]) follower.ports(list);
      },
      closed: (error?: Error) => end(error ?? new Error("the guest ended the list of its ports")),
    };
    agentOf(environment, { signal })
      .then((agent) => agent.watchPorts(events, { signal }))
      .then(
        (stream) => {
          if (signal.aborted) stream.close();
          else signal.addEventListener("abort", () => stream.close(), { once: true });
        },
        (error: unknown) => end(error instanceof Error ? error : new Error(String(error))),
      );
    return watch;
  }

  return {
    follow(environment, follower) {
      const watch = watches.get(environment) ?? begin(environment);
      watch.followers.add(follower);
      if (watch.last !== null) follower.ports(watch.last);
      return () => {
        if (!watch.followers.delete(follower) || watch.followers.size > 0) return;
        if (watches.get(environment) === watch) watches.delete(environment);
        watch.abort.abort(new Error("nobody looks any more"));
      };
    },
  };
}
