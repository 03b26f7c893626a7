import type { HubMember } from "./hub-member.ts";

interface Gone {
  readonly offset: bigint;
  until: number;
  back: HubMember | null;
}

/** Clients whose connection has just ended, and who may be back in a moment: the guest is held for them. */
export class GoneClients {
  readonly #holdMs: number;
  #gone: Gone[] = [];

  constructor(holdMs: number) {
    this.#holdMs = holdMs;
  }

  /** One went, that will go on at `offset`. */
  left(offset: bigint): void {
    this.#gone.push({ offset, until: performance.now() + this.#holdMs, back: null });
  }

  /** One that goes on at `from` is taken for one that went: the guest stays held until it has come so far that it is waited for itself. */
  came(client: HubMember, from: bigint): void {
    const gone = this.#gone.find(({ offset, back }) => back === null && offset <= from);
    if (gone === undefined) return;
    gone.back = client;
    gone.until = performance.now() + this.#holdMs;
  }

  /** Where those go on that are still waited for. */
  waiting(clients: ReadonlySet<HubMember>): readonly bigint[] {
    const now = performance.now();
    this.#gone = this.#gone.filter(
      ({ until, back }) => now < until && (back === null || (clients.has(back) && back.needs === null)),
    );
    return this.#gone.map(({ offset }) => offset);
  }
}
