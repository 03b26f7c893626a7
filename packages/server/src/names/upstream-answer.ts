import { MessageError, type NameRecord, parseMessage, plainName, type Question } from "./name-message.ts";

/** More aliases than this are a loop, or as good as one. */
const MAX_ALIASES = 8;
/** A name with a thousand addresses gets along with some. */
const MAX_RECORDS = 64;
/** Longer than this nothing is worth remembering, and a shorter time would be asked for again and again. */
const TTL_SECONDS = { min: 1, max: 86_400 };
/** How long the absence of a name or of its records is remembered, seconds. */
const ABSENT_SECONDS = { default: 5, max: 30 };

/** What the host's name servers say of a question. */
export interface UpstreamAnswer {
  readonly exists: boolean;
  /** The aliases, each followed by what it stands for, and then the records. */
  readonly records: readonly NameRecord[];
  /** How long it is true at most, seconds. */
  readonly ttl: number;
}

/** What a name server's message is to a question that was asked under an id. */
export type Reading =
  | { readonly kind: "answer"; readonly answer: UpstreamAnswer }
  /** It has to be asked for by TCP. */
  | { readonly kind: "truncated" }
  /** This server does not answer it; another may. */
  | { readonly kind: "failed"; readonly code: number }
  /** It answers something else, or nothing: who sent it may not be the server. */
  | { readonly kind: "foreign" };

export function readUpstream(bytes: Uint8Array, id: number, question: Question): Reading {
  // Before anything is parsed: a client that does not know the id gets no further.
  if (bytes.length < 4 || ((bytes[0] as number) << 8) + (bytes[1] as number) !== id) return { kind: "foreign" };
  let message: ReturnType<typeof parseMessage>;
  try {
    message = parseMessage(bytes);
  } catch (error) {
    if (error instanceof MessageError) return { kind: "foreign" };
    throw error;
  }
  const { type, flags = 0, flag_tc, questions = [], answers = [], authorities = [] } = message;
  const [asked] = questions;
  const isOurs =
    type === "response" &&
    questions.length === 1 &&
    asked?.type === question.type &&
    asked.class === "IN" &&
    plainName(asked.name) === question.name;
  if (!isOurs) return { kind: "foreign" };
  const code = flags & 15;
  if (flag_tc) return { kind: "truncated" };
  if (code !== 0 && code !== 3) return { kind: "failed", code };
  const records = follow(question, answers.filter(isPlain));
  if (records === null) return { kind: "failed", code: 2 };
  const soa = authorities.find((record) => record.type === "SOA");
  const absent = Math.min(soa?.ttl ?? ABSENT_SECONDS.default, soa?.data.minimum ?? ABSENT_SECONDS.max);
  const hasAny = records.some((record) => record.type === question.type);
  const ttl = hasAny ? TTL_SECONDS.max : Math.min(absent, ABSENT_SECONDS.max);
  return { kind: "answer", answer: { exists: code === 0, records, ttl } };
}

/** A record of the types that are asked for, every name in it plain: what is written again is what was read. */
function isPlain(record: { readonly type: string; readonly name: string }): record is NameRecord {
  const answer = record as NameRecord;
  if (answer.class !== "IN" || answer.flush === true || plainName(answer.name) === null) return false;
  const names = namesIn(answer);
  return names?.every((name) => plainName(name) !== null) === true;
}

/** The names in a record's data. Null: a type that is not passed on. */
function namesIn(record: NameRecord): readonly string[] | null {
  switch (record.type) {
    case "A":
    case "TXT":
      return [];
    case "CNAME":
    case "NS":
    case "PTR":
      return [record.data];
    case "MX":
      return [record.data.exchange];
    case "SRV":
      return [record.data.target];
    case "SOA":
      return [record.data.mname, record.data.rname];
    default:
      return null;
  }
}

/** The records that answer a question, behind the aliases that lead to them. Null: the aliases lead nowhere. */
function follow({ name, type }: Question, answers: readonly NameRecord[]): NameRecord[] | null {
  const found: NameRecord[] = [];
  let at = name;
  for (let aliases = 0; type !== "CNAME"; aliases += 1) {
    const alias = answers.find((record) => record.type === "CNAME" && plainName(record.name) === at);
    if (alias?.type !== "CNAME") break;
    if (aliases === MAX_ALIASES) return null;
    found.push(timed(alias));
    at = plainName(alias.data) ?? "";
  }
  const own = answers.filter((record) => record.type === type && plainName(record.name) === at);
  return [...found, ...own.slice(0, MAX_RECORDS).map(timed)];
}

const timed = (record: NameRecord): NameRecord => ({
  ...record,
  ttl: Math.min(Math.max(record.ttl, TTL_SECONDS.min), TTL_SECONDS.max),
});
