import type { AttachedClient } from "../clients/attached-client.ts";

/** While others look: it is they who wait. */
const AMONG_OTHERS_MS = 4000;
/** Where nobody else does; shorter than the 30 s for which the guest holds a program that nobody reads. */
const ALONE_MS = 25_000;

interface Gone {
  readonly offset: bigint;
  since: number;
  back: AttachedClient | null;
}

/** Clients whose connection has ended, and who may be back in a moment: the guest is held for them. */
export class DisconnectedClients {
  #gone: Gone[] = [];
  /** When one that goes on came: others that went with it, on the same line, may be right behind. */
  #cameAt = Number.NEGATIVE_INFINITY;

  /** One went, that will go on at `offset`. */
  left(offset: bigint): void {
    this.#gone.push({ offset, since: performance.now(), back: null });
  }

  /** One that goes on at `from` is taken for one that went: the guest stays held until it has come so far that it is waited for itself. */
  came(client: AttachedClient, from: bigint): void {
    this.#cameAt = performance.now();
    const candidates = this.#gone.filter(({ offset, back }) => back === null && offset <= from);
    const [nearest] = candidates.sort((one, other) => Number(other.offset - one.offset));
    if (nearest === undefined) return;
    nearest.back = client;
    nearest.since = performance.now();
  }

  /** They were waited for long enough. */
  forget(): void {
    this.#gone = [];
  }

  /** Where those go on that are still waited for. */
  waiting(clients: ReadonlySet<AttachedClient>): readonly bigint[] {
    const now = performance.now();
    const isAlone = clients.size === 0 || now - this.#cameAt < AMONG_OTHERS_MS;
    const latest = now - (isAlone ? ALONE_MS : AMONG_OTHERS_MS);
    this.#gone = this.#gone.filter(
      ({ since, back }) => since > latest && (back === null || (clients.has(back) && back.needs === null)),
    );
    return this.#gone.map(({ offset, back }) => back?.returnsAt ?? offset);
  }
}
