import type { Fleet, FleetNotice } from "../ports/fleet.ts";

type Keyed = Extract<FleetNotice, { readonly key: string }>;

/** What has ended or changed, by its key: told to listeners here and on all peers. */
export interface Announcements {
  announce(key: string): void;
  /** Returns what ends it. */
  subscribe(listener: (key: string) => void): () => void;
}

export function createAnnouncements(fleet: Fleet, kind: Keyed["kind"]): Announcements {
  const listeners = new Set<(key: string) => void>();
  const tell = (key: string): void => {
    for (const listener of [...listeners]) listener(key);
  };
  fleet.subscribe((notice) => {
    if (notice.kind === kind) tell(notice.key);
  });
  return {
    announce(key) {
      tell(key);
      fleet.notify({ kind, key });
    },
    subscribe(listener) {
      // Wrapped, so that one function subscribed twice is two subscriptions.
      const own = (key: string) => listener(key);
      listeners.add(own);
      return () => {
        listeners.delete(own);
      };
    },
  };
}
