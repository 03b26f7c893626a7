import type { FleetNotice } from "@microterm/core";
import { type Kysely, sql } from "kysely";
import type { Schema } from "../../schema.ts";
import { CHANNEL, encodeNotice } from "./notices.ts";

/** Beyond so many that wait, as the database is away, they are one that says that anything may have changed. */
const MOST_WAITING = 1_000;
const AGAIN_MS = 500;

/** Notices on their way: those of a moment go in one statement, and the same one once. */
export class Outbox {
  readonly #db: Kysely<Schema>;
  readonly #number: number;
  #waiting = new Set<string>();
  #sending: Promise<void> | null = null;
  #isClosed = false;

  constructor(db: Kysely<Schema>, number: number) {
    this.#db = db;
    this.#number = number;
  }

  add(notice: FleetNotice): void {
    if (this.#isClosed) return;
    if (this.#waiting.size >= MOST_WAITING) this.#waiting = new Set([encodeNotice(this.#number, { kind: "missed" })]);
    this.#waiting.add(encodeNotice(this.#number, notice));
    this.#sending ??= this.#send().finally(() => {
      this.#sending = null;
    });
  }

  /** Sends what waits, once, whatever comes of it. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#sending;
  }

  async #send(): Promise<void> {
    // What is told in the same turn goes along.
    await Promise.resolve();
    while (this.#waiting.size > 0) {
      const batch = this.#waiting;
      this.#waiting = new Set();
      try {
        await sql`select pg_notify(${CHANNEL}, payload) from unnest(${[...batch]}::text[]) payload`.execute(this.#db);
      } catch {
        // The database is away, of which its watch tells.
        if (this.#isClosed) return;
        this.#waiting = new Set([...batch, ...this.#waiting]);
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS).unref());
      }
    }
  }
}
