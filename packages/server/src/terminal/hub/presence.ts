import { MAX_NAMED, type Person, type Presence } from "@microterm/protocol";
import { serverFrames } from "../clients/frames.ts";
import { PRESENCE_MS, PRESENCE_MS_A_CLIENT, TYPING_MS } from "./flow-limits.ts";

/** A client, as far as others are told of it. */
export type Seat = Omit<Person, "isTyping">;

export interface PresentClient {
  /** Sends it a PRESENCE, now or, where it takes nothing, as soon as it does. */
  present(frame: Buffer): void;
}

interface Seated {
  readonly seat: Seat;
  readonly typedAt: number;
  readonly isTold: boolean;
}

const RANK: Readonly<Record<Person["role"], number>> = { viewer: 0, editor: 1, owner: 2 };

/** Who is at a terminal, and telling its clients of it. */
export class TerminalPresence {
  readonly #seats = new Map<PresentClient, Seated>();
  /** Those that have come since the last time. */
  #untold = new Set<PresentClient>();
  #told = "";
  #toldAt = 0;
  #timer: NodeJS.Timeout | null = null;

  /** `isTold`: it is sent who is there, now and at each change. */
  join(client: PresentClient, seat: Seat, isTold: boolean): void {
    this.#seats.set(client, { seat, typedAt: Number.NEGATIVE_INFINITY, isTold });
    if (isTold) this.#untold.add(client);
    this.#tellSoon();
  }

  leave(client: PresentClient): void {
    this.#untold.delete(client);
    if (this.#seats.delete(client)) this.#tellSoon();
  }

  change(client: PresentClient, change: Pick<Seat, "role" | "isAsking">): void {
    const seated = this.#seats.get(client);
    if (seated === undefined) return;
    this.#seats.set(client, { ...seated, seat: { ...seated.seat, ...change } });
    this.#tellSoon();
  }

  /** Called at every key. */
  typed(client: PresentClient): void {
    const seated = this.#seats.get(client);
    const now = performance.now();
    if (seated === undefined || now - seated.typedAt < TYPING_MS / 2) return;
    this.#seats.set(client, { ...seated, typedAt: now });
    this.#tellSoon();
  }

  /** The owner first, then who may type, asks or types, in the order of their coming. */
  get current(): Presence {
    const now = performance.now();
    const people = new Map<string | null, Person>();
    for (const { seat, typedAt } of this.#seats.values()) {
      const known = people.get(seat.grant);
      const isTyping = now - typedAt < TYPING_MS || known?.isTyping === true;
      const role = known !== undefined && RANK[known.role] > RANK[seat.role] ? known.role : seat.role;
      people.set(seat.grant, { ...seat, role, isTyping });
    }
    const weight = ({ role, isAsking, isTyping }: Person) => RANK[role] * 2 + (isAsking || isTyping ? 1 : 0);
    const sorted = [...people.values()].sort((one, other) => weight(other) - weight(one));
    return { people: sorted.slice(0, MAX_NAMED), count: sorted.length };
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#seats.clear();
    this.#untold.clear();
  }

  #tellSoon(delayMs = 0): void {
    if (this.#timer !== null || this.#seats.size === 0) return;
    const betweenMs = Math.max(PRESENCE_MS, this.#seats.size * PRESENCE_MS_A_CLIENT);
    const waitMs = Math.max(delayMs, this.#toldAt + betweenMs - performance.now(), 0);
    this.#timer = setTimeout(() => this.#tell(), waitMs).unref();
  }

  #tell(): void {
    this.#timer = null;
    this.#toldAt = performance.now();
    const { current } = this;
    const text = JSON.stringify(current);
    const isNews = text !== this.#told;
    this.#told = text;
    const frame = serverFrames.presence(current);
    for (const [client, { isTold }] of this.#seats) {
      if (isTold && (isNews || this.#untold.has(client))) client.present(frame);
    }
    this.#untold = new Set();
    // That somebody types ends by time alone.
    if (current.people.some(({ isTyping }) => isTyping)) this.#tellSoon(PRESENCE_MS);
  }
}
