import type { NamePolicy } from "@microterm/core";
import { createCeiling, type IsBeyondCeiling } from "./address-ceiling.ts";
import { DeniedNames } from "./denied-names.ts";
import { NameCache } from "./name-cache.ts";
import {
  MessageError,
  type NameRecord,
  type Query,
  type Question,
  RCODE,
  readQuery,
  writeAnswer,
} from "./name-message.ts";
import { isSpecialUse } from "./special-names.ts";
import { NoAnswer, type Upstream } from "./upstream.ts";
import type { UpstreamAnswer } from "./upstream-answer.ts";

/** So that a name which is allowed later is asked for again. */
const DENIED_TTL = 1;
/** From so many questions under way on, of all guests together, each has a share: nobody keeps the others from asking. */
const BUSY = { active: 256, share: 8, most: 1024 } as const;

/** Queries of one guest. More at once than the agent lets through, whose own count begins a little later. */
const PACE = { perSecond: 100, most: 200 } as const;

export interface GuestNamesOptions {
  readonly policy: NamePolicy;
  readonly upstream: Upstream;
  /** Without any exception of the operator's by default. */
  readonly isBeyondCeiling?: IsBeyondCeiling;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

/** Of a member of the guest's shared network, which may leave it. */
const MEMBER_TTL = 1;

const memberRecords = (question: Question | null, address: string): readonly NameRecord[] =>
  question?.type === "A" ? [{ name: question.name, type: "A", class: "IN", ttl: MEMBER_TTL, data: address }] : [];

/** Answers one guest's questions: what its policy allows, from the host's own name servers, less what no guest may reach. */
export class GuestNames {
  readonly denied = new DeniedNames();
  readonly #policy: NamePolicy;
  readonly #upstream: Upstream;
  readonly #cache: NameCache;
  readonly #isBeyondCeiling: IsBeyondCeiling;
  readonly #now: () => number;
  #turns: number = PACE.most;
  #turnsAt: number;
  /** Questions under way, which others of the same kind wait for. */
  readonly #asking = new Map<string, Promise<UpstreamAnswer>>();

  constructor({ policy, upstream, isBeyondCeiling = createCeiling(), now }: GuestNamesOptions) {
    this.#policy = policy;
    this.#upstream = upstream;
    this.#cache = new NameCache(now);
    this.#isBeyondCeiling = (address) => isBeyondCeiling(address) || policy.isOwn?.(address) === true;
    this.#now = now;
    this.#turnsAt = now();
  }

  /** The answer to a message of the guest's, of 12 bytes at least. Never rejects. */
  async answer(message: Uint8Array, transport: "udp" | "tcp"): Promise<Buffer> {
    let query: Query;
    try {
      query = readQuery(message, transport);
    } catch (error) {
      if (!(error instanceof MessageError)) throw error;
      return withoutQuestion(message, RCODE.formatError);
    }
    if (!this.#takeTurn()) return writeAnswer(query, RCODE.serverFailure);
    try {
      return await this.#answer(query);
    } catch {
      // No server answers, or the policy's addresses could not be let through: the guest asks again.
      return writeAnswer(query, RCODE.serverFailure);
    }
  }

  /** The agent keeps to the same pace; this is for one that does not. */
  #takeTurn(): boolean {
    const now = this.#now();
    this.#turns = Math.min(this.#turns + ((now - this.#turnsAt) / 1000) * PACE.perSecond, PACE.most);
    this.#turnsAt = now;
    if (this.#turns < 1) return false;
    this.#turns -= 1;
    return true;
  }

  async #answer(query: Query): Promise<Buffer> {
    const { question, hasEmptyType } = query;
    const name = question?.name ?? query.asked.name.toLowerCase();
    if (question === null && !hasEmptyType) return writeAnswer(query, RCODE.refused);
    if (name === "" || name === ".") return writeAnswer(query, RCODE.refused);
    // RFC 6761, 6.3: that name is the guest itself, whatever an environment is called.
    const member = name === "localhost" ? null : ((await this.#policy.memberAddress?.(name)) ?? null);
    if (member !== null) return writeAnswer(query, RCODE.ok, memberRecords(question, member));
    if (isSpecialUse(name, this.#isBeyondCeiling)) return writeAnswer(query, RCODE.noSuchName);
    if (question === null) return writeAnswer(query, RCODE.ok);
    if (!this.#policy.allows(name)) return writeAnswer(query, RCODE.ok, this.#denial(question));
    const { exists, records, ttl } = await this.#ask(question);
    const given = records.filter((record) => record.type !== "A" || !this.#isBeyondCeiling(record.data));
    const addresses = given.flatMap((record) => (record.type === "A" ? [record.data] : []));
    // Aliases of nothing would only say what they lead to.
    if (question.type === "A" && addresses.length === 0)
      return writeAnswer(query, exists ? RCODE.ok : RCODE.noSuchName);
    if (addresses.length > 0) {
      await this.#policy.admit(name, addresses, Math.min(ttl, ...given.map((record) => record.ttl)));
    }
    return writeAnswer(query, exists ? RCODE.ok : RCODE.noSuchName, given);
  }

  /** An address that says, when a packet is sent to it, which name was denied. Of other types there is nothing. */
  #denial({ name, type }: Question): readonly NameRecord[] {
    if (type !== "A") return [];
    return [{ name, type: "A", class: "IN", ttl: DENIED_TTL, data: this.denied.addressOf(name) }];
  }

  async #ask(question: Question): Promise<UpstreamAnswer> {
    const key = `${question.type} ${question.name}`;
    const known = this.#cache.get(key);
    if (known !== null) return known;
    const underWay = this.#asking.get(key);
    if (underWay !== undefined) return underWay;
    const { active } = this.#upstream;
    if (active >= BUSY.most || (active >= BUSY.active && this.#asking.size >= BUSY.share)) {
      throw new NoAnswer("too many questions are under way");
    }
    const asking = this.#upstream.ask(question).finally(() => this.#asking.delete(key));
    this.#asking.set(key, asking);
    const answer = await asking;
    this.#cache.set(key, answer);
    return answer;
  }
}

/** An answer to what could not be read, under its id. */
function withoutQuestion(message: Uint8Array, code: number): Buffer {
  const answer = Buffer.alloc(12);
  answer.set(message.subarray(0, 2));
  answer[2] = 0x80 | ((message[2] as number) & 0x79);
  answer[3] = 0x80 | code;
  return answer;
}
