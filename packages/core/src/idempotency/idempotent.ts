import { EnvironmentId, type OwnerId, PlatformError } from "@microterm/protocol";
import type { Clock } from "../ports/clock.ts";
import type { IdempotencyRepository } from "../ports/repository.ts";

export interface IdempotentRequest {
  readonly owner: OwnerId;
  /** The Idempotency-Key, 1 to 128 characters. */
  readonly key: string;
  /** A hash of all that makes the request what it is: method, path, body. */
  readonly fingerprint: string;
}

export interface IdempotentAnswer {
  readonly status: number;
  readonly body: string;
}

export interface IdempotencyOptions {
  readonly repository: IdempotencyRepository;
  readonly clock: Clock;
}

/** How long a repeated request waits for its first: creating a row takes milliseconds. */
const PENDING_WAIT_MS = 5_000;
const PENDING_POLL_MS = 25;

/**
 * Acts once for a key: the first request runs `act`, a repeated one gets the first one's answer.
 *
 * Rejects with `IDEMPOTENCY_MISMATCH` when the key was used for another request, `TOO_MANY` when the first is still
 * under way after 5 s, and with whatever `act` rejects with; the key is free again then.
 */
export async function idempotent(
  { repository, clock }: IdempotencyOptions,
  request: IdempotentRequest,
  act: () => Promise<IdempotentAnswer>,
): Promise<IdempotentAnswer> {
  const { owner, key, fingerprint } = request;
  if (key.length < 1 || key.length > 128) {
    throw new PlatformError("BAD_REQUEST", `Idempotency-Key has ${key.length} characters; 1 to 128 are allowed`);
  }
  const deadline = clock.now() + PENDING_WAIT_MS;
  for (;;) {
    const claim = await repository.claim(owner, key, fingerprint, new Date(clock.now()).toISOString());
    if (claim.outcome === "done") return { status: claim.status, body: claim.body };
    if (claim.outcome === "mismatch") {
      throw new PlatformError("IDEMPOTENCY_MISMATCH", `the Idempotency-Key '${key}' was used for a different request`);
    }
    if (claim.outcome === "claimed") break;
    if (clock.now() >= deadline) {
      throw new PlatformError("TOO_MANY", `another request with the Idempotency-Key '${key}' is still under way`);
    }
    await clock.sleep(PENDING_POLL_MS);
  }
  let answer: IdempotentAnswer;
  try {
    answer = await act();
  } catch (error) {
    await repository.abandon(owner, key);
    throw error;
  }
  await repository.complete(owner, key, answer.status, answer.body);
  return answer;
}

/**
 * The id of the environment that a key creates: the same for every repetition, so that a request whose process died
 * between the row and the answer finds its row again instead of making a second one.
 */
export function environmentIdOfKey(owner: OwnerId, key: string, sha256: (text: string) => string): EnvironmentId {
  // 12 digits of base 36 are 62 bits; 16 hexadecimal ones (64 bits) leave no visible bias.
  const digits = (BigInt(`0x${sha256(`${owner}\n${key}`).slice(0, 16)}`) % 36n ** 12n).toString(36);
  return EnvironmentId.parse(digits.padStart(12, "0"));
}
