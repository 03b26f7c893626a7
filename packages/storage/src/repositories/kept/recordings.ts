import type { RecordingRepository, RecordingRow, RecordingUse, TerminalPlace } from "@microterm/core";
import { EnvironmentId } from "@microterm/protocol";
import type { Kysely, Selectable, Transaction } from "kysely";
import type { RecordingsTable, Schema } from "../../schema.ts";
import { inTransaction } from "../in-transaction.ts";
import { lockRow } from "../lock-row.ts";

/** Also what a line of a backup has room for. */
const CHUNK_BYTES = 64 * 1024;
/** By one statement. */
const READ_AT_ONCE = 16;
const REMOVED_AT_ONCE = 128;
/** PostgreSQL has room for 65,535 parameters, and SQLite for half of that. */
const IDS_AT_ONCE = 1000;

/** `server`: this one, of a fleet. */
export function createRecordingRepository(db: Kysely<Schema>, server: number | null): RecordingRepository {
  const find = (from: Kysely<Schema>, { environment, terminal }: TerminalPlace) =>
    from
      .selectFrom("recordings")
      .selectAll()
      .where("environment", "=", environment)
      .where("terminal", "=", terminal)
      .executeTakeFirst();

  /** Of one that is gone. Servers that are at the same one take turns. False: there may be more. */
  const removePart = (id: string): Promise<boolean> =>
    inTransaction(db, async (transaction) => {
      const gone = transaction.updateTable("recordings").set({ is_enabled: 0 }).where("id", "=", id);
      const { numUpdatedRows } = await gone.where("environment", "is", null).executeTakeFirst();
      if (numUpdatedRows === 0n) return true;
      const some = transaction
        .selectFrom("recording_chunks")
        .select("position")
        .where("recording", "=", id)
        .orderBy("position")
        .limit(REMOVED_AT_ONCE);
      const { numDeletedRows } = await transaction
        .deleteFrom("recording_chunks")
        .where("recording", "=", id)
        .where("position", "in", some)
        .executeTakeFirst();
      if (numDeletedRows > 0n) return false;
      await transaction.deleteFrom("recordings").where("id", "=", id).execute();
      return true;
    });

  const remove = async ({ environment, terminal }: TerminalPlace, from: Kysely<Schema> = db): Promise<void> => {
    await from
      .updateTable("recordings")
      .set({ environment: null, is_enabled: 0 })
      .where("environment", "=", environment)
      .where("terminal", "=", terminal)
      .execute();
  };

  return {
    async get(place) {
      const found = await find(db, place);
      return found === undefined ? null : toRow(found);
    },

    begin: ({ id, environment, terminal, startedAt, createdUnixMs }, environments, fit) =>
      inTransaction(db, async (transaction) => {
        const owner = await ownerOf(transaction, environment);
        if (owner === null || !(await lockRow(transaction, "accounts", owner))) return null;
        // It may have gone while this one waited.
        if (!(await lockRow(transaction, "environments", environment))) return null;
        fit(await usesOf(transaction, [...new Set([environment, ...environments])]));
        const before = await find(transaction, { environment, terminal });
        if (before?.created_unix_ms === createdUnixMs) {
          await transaction.updateTable("recordings").set({ is_enabled: 1 }).where("id", "=", before.id).execute();
          return before.started_at;
        }
        // Another terminal of this name was recorded, in a guest that is no more.
        if (before !== undefined) await remove({ environment, terminal }, transaction);
        await transaction
          .insertInto("recordings")
          .values({
            ...{ id, environment, terminal, is_enabled: 1, started_at: startedAt, created_unix_ms: createdUnixMs },
            ...{ bytes: 0, output_offset: null, elapsed_ms: 0, is_full: 0 },
          })
          .execute();
        return startedAt;
      }),

    async turnOff({ environment, terminal }) {
      await db
        .updateTable("recordings")
        .set({ is_enabled: 0 })
        .where("environment", "=", environment)
        .where("terminal", "=", terminal)
        .execute();
    },

    append: (place, at, bytes, mark) =>
      inTransaction(db, async (transaction) => {
        const end = at + bytes.length;
        const moved = await transaction
          .updateTable("recordings")
          .set({
            ...{ bytes: end, output_offset: `${mark.offset}`, elapsed_ms: mark.elapsedMs },
            is_full: mark.isFull ? 1 : 0,
          })
          .where("environment", "=", place.environment)
          .where("terminal", "=", place.terminal)
          .where("bytes", "=", at)
          .returning("id")
          .executeTakeFirst();
        // What was written, and not answered, is there already.
        if (moved === undefined) return isAt(await find(transaction, place), end, mark.offset);
        for (let from = 0; from < bytes.length; from += CHUNK_BYTES) {
          const chunk = bytes.subarray(from, from + CHUNK_BYTES);
          const row = { recording: moved.id, position: at + from, bytes: chunk };
          await transaction.insertInto("recording_chunks").values(row).execute();
        }
        return true;
      }),

    async read(place, from) {
      const recording = db
        .selectFrom("recordings")
        .select("id")
        .where("environment", "=", place.environment)
        .where("terminal", "=", place.terminal);
      const chunks = await db
        .selectFrom("recording_chunks")
        .select("bytes")
        .where("recording", "=", recording)
        .where("position", ">=", from)
        .orderBy("position")
        .limit(READ_AT_ONCE)
        .execute();
      return Buffer.concat(chunks.map(({ bytes }) => bytes));
    },

    remove: (place) => remove(place),
    uses: (environments) => usesOf(db, environments),

    async enabledHere() {
      const rows = await db
        .selectFrom("recordings")
        .innerJoin("environments", "environments.id", "recordings.environment")
        .select(["environments.id", "recordings.terminal"])
        .where("recordings.is_enabled", "=", 1)
        .where("environments.server", server === null ? "is" : "=", server)
        .execute();
      return rows.map(({ id, terminal }) => ({ environment: EnvironmentId.parse(id), terminal }));
    },

    async sweep() {
      const gone = await db.selectFrom("recordings").select("id").where("environment", "is", null).execute();
      for (const { id } of gone) {
        let isGone = false;
        while (!isGone) isGone = await removePart(id);
      }
    },
  };
}

async function ownerOf(transaction: Transaction<Schema>, environment: string): Promise<string | null> {
  const found = transaction.selectFrom("environments").select("owner").where("id", "=", environment);
  return (await found.executeTakeFirst())?.owner ?? null;
}

async function usesOf(db: Kysely<Schema>, environments: readonly string[]): Promise<readonly RecordingUse[]> {
  const uses: RecordingUse[] = [];
  for (let from = 0; from < environments.length; from += IDS_AT_ONCE) {
    const rows = await db
      .selectFrom("recordings")
      .select(["environment", "terminal", "is_enabled", "bytes"])
      .where("environment", "in", environments.slice(from, from + IDS_AT_ONCE))
      .execute();
    for (const { environment, terminal, is_enabled, bytes } of rows) {
      uses.push({ environment: EnvironmentId.parse(environment), terminal, isEnabled: is_enabled === 1, bytes });
    }
  }
  return uses;
}

const isAt = (row: Selectable<RecordingsTable> | undefined, bytes: number, offset: bigint): boolean =>
  row !== undefined && row.bytes === bytes && row.output_offset === `${offset}`;

function toRow(row: Selectable<RecordingsTable>): RecordingRow {
  const { output_offset: offset, elapsed_ms: elapsedMs, is_full } = row;
  const mark = offset === null ? null : { offset: BigInt(offset), elapsedMs, isFull: is_full === 1 };
  return {
    ...{ terminal: row.terminal, isEnabled: row.is_enabled === 1, startedAt: row.started_at },
    ...{ createdUnixMs: row.created_unix_ms, bytes: row.bytes, mark },
  };
}
