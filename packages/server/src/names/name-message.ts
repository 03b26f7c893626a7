import { type Answer, type DecodedPacket, decode, encode, type Question as WireQuestion } from "dns-packet";

/** Types that are asked upstream. What else there is carries signatures, zones or tunnels, and no program of a guest needs it. */
const ASKED = ["A", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"] as const;
export type AskedType = (typeof ASKED)[number];
/** IPv6, until networks have it, and SVCB with its HTTPS, whose hints are addresses: there are none. */
const EMPTY = new Set(["AAAA", "UNKNOWN_64", "UNKNOWN_65"]);

export const RCODE = { ok: 0, formatError: 1, serverFailure: 2, noSuchName: 3, refused: 5 } as const;

const HEADER_BYTES = 12;
/** A question, or a record of the root without data. */
const MIN_ITEM_BYTES = 5;
/** Without EDNS (RFC 1035, 4.2.1), and the most that is sent in one packet (RFC 9715). */
const PLAIN_UDP_BYTES = 512;
export const MAX_UDP_BYTES = 1232;
/** As much as an agent takes. */
export const MAX_ANSWER_BYTES = 4096;

/** Of an answer: those of the question's name, and of what it is an alias of. */
export type NameRecord = Exclude<Answer, { readonly type: "OPT" }> & { readonly ttl: number };

export interface Question {
  /** Lower case, without a dot at its end; empty: the root. */
  readonly name: string;
  readonly type: AskedType;
}

/** A guest's query. */
export interface Query {
  readonly id: number;
  /** As it was asked, for the answer. */
  readonly asked: WireQuestion;
  /** Null: a type that has no answer here. */
  readonly question: Question | null;
  readonly hasEmptyType: boolean;
  readonly wantsRecursion: boolean;
  readonly hasEdns: boolean;
  /** The longest answer that its way back takes. */
  readonly maxBytes: number;
}

/** A message that is none of DNS, or not of the kind that is due. */
export class MessageError extends Error {
  override readonly name = "MessageError";
}

/** Parses with a bound on the time and memory that a message may cost. Throws {@link MessageError}. */
export function parseMessage(bytes: Uint8Array): DecodedPacket {
  const message = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (message.length < HEADER_BYTES) throw new MessageError(`a message of ${message.length} bytes`);
  // dns-packet makes room for as many as the header says.
  const items = [4, 6, 8, 10].reduce((sum, at) => sum + message.readUInt16BE(at), 0);
  if (items * MIN_ITEM_BYTES > message.length) throw new MessageError(`${items} records in ${message.length} bytes`);
  let packet: DecodedPacket;
  try {
    packet = decode(message);
  } catch (error) {
    throw new MessageError("it cannot be parsed", { cause: error });
  }
  // dns-packet reads on behind the end, where there is nothing.
  if (!(decode.bytes <= message.length)) throw new MessageError("its last record is cut");
  return packet;
}

/** Letters, digits, hyphens and underscores: every name that a program connects to. Null: another. */
export function plainName(name: string): string | null {
  const lower = name === "." ? "" : name.toLowerCase();
  return lower.length <= 253 && (lower === "" || /^[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$/.test(lower)) ? lower : null;
}

/** Reads a guest's query. Throws {@link MessageError}. */
export function readQuery(bytes: Uint8Array, transport: "udp" | "tcp"): Query {
  const {
    id = 0,
    type,
    flag_rd,
    questions = [],
    answers = [],
    authorities = [],
    additionals = [],
  } = parseMessage(bytes);
  const [asked] = questions;
  if (type !== "query" || asked === undefined || questions.length !== 1) throw new MessageError("it is no query");
  if (answers.length + authorities.length > 0) throw new MessageError("a query with records");
  const name = plainName(asked.name);
  if (name === null) throw new MessageError("a name of other characters than letters, digits and hyphens");
  const edns = additionals.find((record) => record.type === "OPT");
  const udpBytes = Math.min(Math.max(edns?.udpPayloadSize ?? 0, PLAIN_UDP_BYTES), MAX_UDP_BYTES);
  const known = ASKED.find((candidate) => candidate === asked.type);
  return {
    id,
    asked,
    question: known === undefined || asked.class !== "IN" ? null : { name, type: known },
    hasEmptyType: EMPTY.has(asked.type) && asked.class === "IN",
    wantsRecursion: flag_rd,
    hasEdns: edns !== undefined,
    maxBytes: transport === "udp" ? udpBytes : MAX_ANSWER_BYTES,
  };
}

/** The answer to a query. What its way does not take is left out: all of it by UDP, so that it is asked for again by TCP. */
export function writeAnswer(query: Query, code: number, records: readonly NameRecord[] = []): Buffer {
  const write = (given: readonly NameRecord[], flags: number): Buffer =>
    encode({
      type: "response",
      id: query.id,
      flags: (query.wantsRecursion ? 0x100 : 0) | 0x80 | flags | code,
      questions: [query.asked],
      answers: [...given],
      additionals: query.hasEdns ? [edns()] : [],
    });
  for (let count = records.length; ; count = Math.floor(count / 2)) {
    const bytes = write(records.slice(0, count), 0);
    if (bytes.length <= query.maxBytes || count === 0) return bytes;
    if (query.maxBytes < MAX_ANSWER_BYTES) return write([], TRUNCATED);
  }
}

const TRUNCATED = 0x200;

export function edns(): Answer {
  return {
    ...{ type: "OPT", name: ".", udpPayloadSize: MAX_UDP_BYTES, extendedRcode: 0, ednsVersion: 0, flags: 0 },
    ...{ flag_do: false, options: [] },
  } as const;
}
