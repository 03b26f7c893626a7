import { type DisconnectedClient, type FlowClient, returnOffset } from "./flow-plan.ts";

/** Clients whose connection has ended, and that may be back in a moment. How long the guest waits for them is the plan's to say. */
export class DisconnectedClients {
  #all: readonly DisconnectedClient[] = [];
  #returnedAt = Number.NEGATIVE_INFINITY;

  get all(): readonly DisconnectedClient[] {
    return this.#all;
  }

  /** When one that goes on came; before all times where none has. */
  get returnedAt(): number {
    return this.#returnedAt;
  }

  left(client: FlowClient, now: number): void {
    const offset = returnOffset(client, now);
    if (offset !== null) this.#all = [...this.#all, { offset, since: now, back: null }];
  }

  /** One that goes on at `from` is taken for the nearest of those that left before that byte. */
  returned(client: FlowClient, from: bigint, now: number): void {
    this.#returnedAt = now;
    const candidates = this.#all.filter(({ offset, back }) => back === null && offset <= from);
    const [nearest] = candidates.sort((one, other) => Number(other.offset - one.offset));
    this.#all = this.#all.map((one) => (one === nearest ? { ...one, since: now, back: client } : one));
  }

  /** Only these are still waited for. */
  keep(waitedFor: readonly DisconnectedClient[]): void {
    this.#all = waitedFor;
  }
}
