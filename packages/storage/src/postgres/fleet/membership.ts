import { randomInt } from "node:crypto";
import type { FleetListener, FleetNotice, Log, PeerServer } from "@microterm/core";
import { PlatformError } from "@microterm/protocol";
import type { Client } from "pg";
import { explain, unavailable } from "../postgres-errors.ts";
import { endConnections, lockMember, lockShared, MEMBER_LOCK, memberName, SERVER_NAME } from "../server-locks.ts";
import { PeerLiveness, type Sighting } from "./liveness.ts";
import { CHANNEL, parseNotice } from "./notices.ts";
import { declareDead, freeOrphans, leave } from "./take-over.ts";

/** How often a server is heard of, and looks at the others. */
const BEAT_MS = 500;
/** A peer that is no more was taken over by another, which has freed what it held by then, unless it died itself. */
const SWEEP_BEATS = 10;
/** PostgreSQL's integers. */
const NUMBERS = 2 ** 31;

const NOW = "(extract(epoch from clock_timestamp()) * 1000)::bigint";
/** One round trip: this server is heard of, and learns of all. */
const BEAT = `
  with beat as (update servers set seen_at = ${NOW} where number = $1 returning number)
  select s.number, s.address, s.seen_at as "seenAt", exists (
    select from pg_locks where locktype = 'advisory' and granted and classid = $2 and objid::bigint = s.number and objsubid = 2
      and database = (select oid from pg_database where datname = current_database())
  ) as "isLocked"
  from servers s`;
/** Of a database that has just been started, the servers of before may not be back yet. */
const IS_SETTLED = `select clock_timestamp() - pg_postmaster_start_time() > interval '10 s' as "isSettled"`;

export interface MembershipOptions {
  /** `host:port`, where peers reach this server. */
  readonly address: string;
  readonly log: Log;
  /** Peers have taken this server's place: it must do nothing more. */
  onDeclaredDead(): void;
}

/**
 * One server's place among those of its fleet: its number, by which it is heard of; its view of the others; what they tell. All of it by the
 * connection of `watchDatabase`.
 */
export class Membership {
  readonly #options: MembershipOptions;
  readonly #listeners = new Set<FleetListener>();
  #number: number | null = null;
  #client: Client | null = null;
  #liveness = new PeerLiveness(false);
  #peers: readonly PeerServer[] = [];
  #sweepIn = 0;
  #timer: NodeJS.Timeout | undefined;
  #beating: Promise<void> = Promise.resolve();
  #hasEnded = false;
  /** Of the watch. */
  lost: (error: Error) => void = () => {};

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  get peers(): readonly PeerServer[] {
    return this.#peers;
  }

  /** What `watchDatabase` does with each connection that it opens. */
  async enter(client: Client): Promise<void> {
    await lockShared(client);
    if (this.#number === null) await endConnections(client, SERVER_NAME);
    else await this.#takePlace(client, this.#number);
    this.#client = client;
  }

  /** Becomes a member, in a database that is migrated. Resolves with its number. */
  async join(): Promise<number> {
    const client = this.#connected();
    // At random: none comes again, also where the database was restored from a backup.
    let number = randomInt(1, NUMBERS);
    while (!(await lockMember(client, number))) number = randomInt(1, NUMBERS);
    const { rows } = await client.query<{ isSettled: boolean }>(IS_SETTLED);
    this.#liveness = new PeerLiveness(rows[0]?.isSettled === true);
    await client.query(`insert into servers (number, address, seen_at) values ($1, $2, ${NOW})`, [
      number,
      this.#options.address,
    ]);
    await this.#listen(client, number);
    this.#number = number;
    await freeOrphans(client);
    await this.#beat(number);
    this.#beatLater(number);
    return number;
  }

  subscribe(listener: FleetListener): () => void {
    const own: FleetListener = (notice) => listener(notice);
    this.#listeners.add(own);
    return () => {
      this.#listeners.delete(own);
    };
  }

  /** After the database was away, and this server has its place again. */
  returned(): void {
    this.#emit({ kind: "missed" });
  }

  /** Rejects on a connection of a server whose place is another's: what is said on it would come after that. */
  async assertMember(client: Pick<Client, "query">): Promise<void> {
    const { rowCount } = await client.query("select from servers where number = $1", [this.#number]);
    if (rowCount !== 1) throw this.#declaredDead();
  }

  /** Leaves what it holds to its peers. The last thing it does: all of its other connections are closed. */
  async leave(): Promise<void> {
    this.#hasEnded = true;
    clearTimeout(this.#timer);
    await this.#beating;
    if (this.#client === null || this.#number === null) return;
    await leave(this.#client, this.#number).catch((error: unknown) => {
      this.#options.log.warn("peers find out by themselves that this server has ended", { error: String(error) });
    });
  }

  #connected(): Client {
    if (this.#client === null) throw unavailable(new Error("it is away"));
    return this.#client;
  }

  /** After the database was away. Nothing of this server's from before is carried out any more. */
  async #takePlace(client: Client, number: number): Promise<void> {
    await endConnections(client, memberName(number));
    if (!(await lockMember(client, number))) throw unavailable(new Error("this server's place is not free yet"));
    const { rowCount } = await client.query(`update servers set seen_at = ${NOW} where number = $1`, [number]);
    if (rowCount !== 1) throw this.#declaredDead();
    this.#liveness = new PeerLiveness(false);
    this.#sweepIn = SWEEP_BEATS;
    await this.#listen(client, number);
  }

  async #listen(client: Client, number: number): Promise<void> {
    client.on("notification", ({ channel, payload }) => {
      const told = channel === CHANNEL ? parseNotice(payload ?? "") : null;
      if (told !== null && told.from !== number) this.#emit(told.notice);
    });
    // A beat need not wait for the disk.
    await client.query(
      `set application_name = '${memberName(number)}'; set synchronous_commit = off; listen ${CHANNEL}`,
    );
  }

  #emit(notice: FleetNotice): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(notice);
      } catch (error) {
        this.#options.log.error("a listener of the fleet threw", { error: String(error) });
      }
    }
  }

  #beatLater(number: number): void {
    this.#timer = setTimeout(() => {
      this.#beating = this.#beat(number)
        .catch((cause: unknown) => {
          const { error, isLost } = explain(cause);
          if (isLost && !this.#hasEnded) this.lost(error);
        })
        .then(() => {
          if (!this.#hasEnded) this.#beatLater(number);
        });
    }, BEAT_MS).unref();
  }

  async #beat(number: number): Promise<void> {
    const client = this.#connected();
    const { rows } = await client.query<Sighting>(BEAT, [number, MEMBER_LOCK]);
    if (!rows.some((row) => row.number === number)) throw this.#declaredDead();
    const others = rows.filter((row) => row.number !== number);
    const { living, dead } = this.#liveness.look(others);
    const isGone = (peer: PeerServer) => !others.some((other) => other.number === peer.number);
    if (this.#peers.some(isGone)) this.#sweepIn = SWEEP_BEATS;
    this.#peers = living;
    // One a beat: ending its connections may take a while, and this server has to be heard of.
    const [first] = dead;
    if (first !== undefined && (await declareDead(client, first))) {
      this.#options.log.warn("a peer is dead, and its environments are taken over", {
        ...{ server: first.number, address: first.address, reason: first.why },
      });
      this.#sweepIn = 1;
    }
    if (this.#sweepIn === 0 || --this.#sweepIn > 0) return;
    // Once more later, where it is cut off.
    this.#sweepIn = SWEEP_BEATS;
    await freeOrphans(client);
    this.#sweepIn = 0;
  }

  #declaredDead(): PlatformError {
    if (!this.#hasEnded) {
      this.#hasEnded = true;
      clearTimeout(this.#timer);
      this.#options.onDeclaredDead();
    }
    return new PlatformError(
      "DATABASE_UNAVAILABLE",
      "this server was taken for dead, and others have its environments",
    );
  }
}
