import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { SYSTEM } from "@microterm/core";
import { auditRow, storageContract } from "@microterm/core/testing";
import { type BootStep, type EnvironmentState, type Operation, OwnerId } from "@microterm/protocol";
import { describe, expect, it, onTestFinished } from "vitest";
import { createSqliteStorage } from "./sqlite-storage.ts";

function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), "microterm-storage-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** What each migration has added, newest first, for {@link rewind}. */
const ADDED = [
  [
    "0019-kept",
    [],
    "recording_chunks; drop table recordings; drop table kept_screens; drop table consoles; drop table attempts",
  ],
  ["0018-fleet", ["server", "epoch"], "servers; drop table pool_machines"],
  ["0017-machine-pins", [], "machine_pins"],
  ["0016-admin-acts", [], "admin_acts"],
  ["0015-data-folder-account", [], null],
  ["0014-identities", [], "identities"],
  ["0013-shares", [], "share_grants"],
  ["0013-shares", [], "shares"],
  ["0012-quotas", ["running_since"], "running_days; drop table account_quotas; drop table role_quotas"],
  ["0011-audit", [], null],
  ["0010-accounts", [], null],
  ["0009-shared-networks", ["shared_network"], "networks"],
  ["0008-networks", ["network"], null],
  ["0007-previews", [], "preview_grants"],
  ["0006-limits", ["cpu_quota_percent", "cpu_weight", "disk_mib_per_second", "disk_operations_per_second"], null],
  ["0005-images", ["image"], null],
  ["0004-operations", ["operation", "step", "interruptions"], null],
  ["0003-recipes", [], "templates"],
  ["0002-instant", ["size", "disk_id", "save_id", "idle_timeout_seconds", "expires_at"], null],
] as const;

/** Makes a database one of an older version: as it was after the migration `last`. */
function rewind(database: DatabaseSync, last: string): void {
  database.exec("drop table audit; drop table audit_retention");
  // Before anything else: what is older refers to them by their name of then.
  database.exec("drop table invitations; drop index credentials_id; drop index credentials_owner");
  for (const column of ["id", "name", "scopes", "device", "address", "last_used_at"]) {
    database.exec(`alter table credentials drop column ${column}`);
  }
  database.exec("alter table accounts rename to owners; drop index accounts_name; drop index accounts_data_folder");
  for (const column of ["name", "role", "password_hash", "disabled_at", "stops_at", "last_seen_at", "is_data_folder"]) {
    database.exec(`alter table owners drop column ${column}`);
  }
  for (const [name, columns, table] of ADDED) {
    if (name <= last) continue;
    for (const column of columns) database.exec(`alter table environments drop column ${column}`);
    if (table !== null) database.exec(`drop table ${table}`);
  }
  database.exec(`delete from kysely_migration where name > '${last}'`);
}

const SAVE = "s".repeat(16);

/** State, reason and save of a row of the version before operations; operation, step, interruptions and reason of it now. */
const CONVERTED: readonly (readonly [
  [EnvironmentState, string | null, string | null],
  [Operation | null, BootStep | null, number, string | null],
])[] = [
  [
    ["creating", "disk", null],
    ["start", "disk", 0, null],
  ],
  [
    ["creating", "claim", null],
    ["start", "claim", 0, null],
  ],
  [
    ["creating", "resume", SAVE],
    ["resume", "resume", 0, null],
  ],
  [
    ["creating", "agent", SAVE],
    ["resume", "agent", 0, null],
  ],
  [
    ["creating", "kernel (resumed after a restart)", null],
    ["start", "kernel", 1, "resumed after a restart"],
  ],
  [
    ["creating", "agent (resumed after a restart; second attempt: no\nanswer)", SAVE],
    ["resume", "agent", 1, "resumed after a restart; second attempt: no\nanswer"],
  ],
  [
    ["creating", "kernel (its template was damaged)", null],
    ["start", "kernel", 0, "its template was damaged"],
  ],
  // The console's last line is the guest's.
  [
    ["creating", "kernel (second attempt: the console ended with: resumed after a restart)", null],
    ["start", "kernel", 0, "second attempt: the console ended with: resumed after a restart"],
  ],
  [
    ["creating", null, null],
    ["start", null, 0, null],
  ],
  [
    ["creating", "constructor", null],
    ["start", null, 0, null],
  ],
  [
    ["running", null, null],
    [null, null, 0, null],
  ],
  [
    ["running", "stopping", null],
    ["stop", null, 0, null],
  ],
  [
    ["running", "stopping", SAVE],
    ["stop", null, 0, null],
  ],
  [
    ["running", "pausing", SAVE],
    ["pause", null, 0, null],
  ],
  [
    ["paused", "paused by its owner", SAVE],
    [null, null, 0, null],
  ],
  [
    ["paused", "idle for 30 minutes", SAVE],
    [null, null, 0, "idle for 30 minutes"],
  ],
  [
    ["stopped", "stopped by its owner", null],
    [null, null, 0, null],
  ],
  [
    ["stopped", "the host was restarted", null],
    [null, null, 0, "the host was restarted"],
  ],
  [
    ["failed", "the VMM died: pausing", null],
    [null, null, 0, "the VMM died: pausing"],
  ],
  [
    ["destroying", null, null],
    ["destroy", null, 0, null],
  ],
];

storageContract("sqlite", () => createSqliteStorage({ path: join(scratch(), "microterm.db") }));

describe("sqlite", () => {
  const owner = OwnerId.parse("annannann");

  it("keeps everything across a close and a second migration", async () => {
    const path = join(scratch(), "microterm.db");
    const first = await createSqliteStorage({ path });
    await first.accounts.ensureDataFolderAccount(owner, "2026-11-22T10:00:00.000Z");
    await first.close();
    const second = await createSqliteStorage({ path });
    onTestFinished(() => second.close());
    expect(
      (await second.accounts.ensureDataFolderAccount(OwnerId.parse("another00"), "2026-11-22T10:00:01.000Z")).id,
    ).toBe(owner);
  });

  it("brings a database of the first version along", async () => {
    const path = join(scratch(), "microterm.db");
    await (await createSqliteStorage({ path })).close();
    const database = new DatabaseSync(path);
    rewind(database, "0001-initial");
    database.exec("insert into owners values ('annannann', '2026-11-22T10:00:00.000Z')");
    const gone = "c".repeat(12);
    const removed = { processes: 1, cgroups: 0, sockets: 0, files: 0, uids: 0, diskBytes: 0 };
    const receipt = { environment: gone, name: "gone", destroyedAt: "2026-11-22T10:00:00.000Z", removed, left: [] };
    database
      .prepare("insert into receipts values (?, 'annannann', 'gone', ?, ?)")
      .run(gone, receipt.destroyedAt, JSON.stringify(receipt));
    for (const [id, memoryMib] of [
      ["a".repeat(12), 512],
      ["b".repeat(12), 500],
    ]) {
      database.exec(
        `insert into environments (id, name, owner, state, driver, memory_mib, cpus, disk_mib, created_at)
         values ('${id}', '${id}', 'annannann', 'stopped', 'qemu', ${memoryMib}, 1, 2048, '2026-11-22T10:00:00.000Z')`,
      );
    }
    database.close();
    const storage = await createSqliteStorage({ path });
    onTestFinished(() => storage.close());
    const found = await storage.environments.list(SYSTEM);
    expect(found.map(({ diskId, size, snapshotId, image }) => [diskId, size, snapshotId, image])).toEqual([
      ["a".repeat(12), "medium", null, null],
      ["b".repeat(12), null, null, null],
    ]);
    // What receipts did not say then.
    expect(await storage.environments.receipt("gone", SYSTEM)).toEqual({
      ...receipt,
      cause: "request",
      removed: { ...removed, namespaces: 0, links: 0, flows: 0 },
    });
  });

  it("makes the owner of the version before the admin, with what it has signed in with", async () => {
    const path = join(scratch(), "microterm.db");
    await (await createSqliteStorage({ path })).close();
    const database = new DatabaseSync(path);
    rewind(database, "0009-shared-networks");
    database.exec("insert into owners values ('annannann', '2026-11-22T10:00:00.000Z')");
    const insert = database.prepare(
      "insert into credentials values (?, ?, 'annannann', '2026-11-22T10:00:00.000Z', ?)",
    );
    insert.run("1".repeat(64), "token", null);
    insert.run("2".repeat(64), "session", "2026-12-22T10:00:00.000Z");
    database.close();
    const storage = await createSqliteStorage({ path });
    onTestFinished(() => storage.close());
    const now = "2026-11-23T10:00:00.000Z";
    const admin = { id: owner, name: "admin", role: "admin", passwordHash: null, disabledAt: null };
    expect(await storage.accounts.ensureDataFolderAccount(OwnerId.parse("another00"), now)).toMatchObject(admin);
    const [token, session] = await Promise.all(
      ["1", "2"].map((digit) => storage.credentials.findWithAccount(digit.repeat(64), now)),
    );
    expect(token).toMatchObject({
      credential: { kind: "token", scopes: null, name: "made by an earlier version" },
      account: admin,
    });
    expect(session).toMatchObject({ credential: { kind: "session", name: null }, account: admin });
    for (const id of [token?.credential.id, session?.credential.id]) expect(id).toMatch(/^[a-z0-9]{12}$/);
    expect(token?.credential.id).not.toBe(session?.credential.id);
  });

  it("reads what was being done out of the sentences of the version before, once and for all", async () => {
    const path = join(scratch(), "microterm.db");
    await (await createSqliteStorage({ path })).close();
    const database = new DatabaseSync(path);
    rewind(database, "0003-recipes");
    database.exec("insert into owners values ('annannann', '2026-11-22T10:00:00.000Z')");
    const insert = database.prepare(
      `insert into environments (id, name, owner, state, reason, save_id, driver, memory_mib, cpus, disk_mib, disk_id, created_at)
       values (?, ?, 'annannann', ?, ?, ?, 'qemu', 512, 1, 2048, ?, '2026-11-22T10:00:00.000Z')`,
    );
    for (const [n, [old]] of CONVERTED.entries()) {
      const id = `a${String(n).padStart(11, "0")}`;
      insert.run(id, id, ...old, id);
    }
    database.close();
    const storage = await createSqliteStorage({ path });
    onTestFinished(() => storage.close());
    const now = await storage.environments.list(SYSTEM);
    expect(now.map((row) => [row.operation, row.step, row.interruptions, row.reason])).toEqual(
      CONVERTED.map(([, wanted]) => wanted),
    );
  });

  it("changes nothing where it cannot be brought along to the end, so that it can be the next time", async () => {
    const path = join(scratch(), "microterm.db");
    await (await createSqliteStorage({ path })).close();
    const database = new DatabaseSync(path);
    onTestFinished(() => database.close());
    rewind(database, "0001-initial");
    // The second migration fails half-way: `expires_at` is there already.
    database.exec("alter table environments add column expires_at text");
    await expect(createSqliteStorage({ path })).rejects.toThrow(/0002-instant failed.*expires_at/);
    database.exec("alter table environments drop column expires_at");
    await (await createSqliteStorage({ path })).close();
  });

  it("keeps the audit log as it was written, whatever SQL comes", async () => {
    const path = join(scratch(), "microterm.db");
    const storage = await createSqliteStorage({ path });
    const old = { ...auditRow(Date.parse("2026-11-20T10:00:00.000Z")), target: "old" };
    const recent = { ...auditRow(Date.parse("2026-11-22T10:00:00.000Z")), target: "recent" };
    for (const row of [old, recent]) await storage.audit.append(row);
    const database = new DatabaseSync(path);
    onTestFinished(() => database.close());
    const other = "('x', '2030', 'exec', 'done', 'server', 1, '{}')";
    const columns = "audit (id, at, action, outcome, via, count, detail)";
    for (const statement of [
      "update audit set outcome = 'done'",
      "update or replace audit set id = 'x' where target = 'old'",
      "update audit set at = '2000-01-01T00:00:00.000Z'",
      "delete from audit",
      "delete from audit where target = 'old'",
      `insert or replace into ${columns} values ${other.replace("x", recent.id)}`,
      `insert into ${columns} values ${other.replace("x", recent.id)} on conflict do update set outcome = 'done'`,
    ]) {
      expect(() => database.exec(statement), statement).toThrow(/append-only/);
    }
    expect((await storage.audit.find({ before: null, limit: 9 })).map(({ target }) => target)).toEqual([
      "recent",
      "old",
    ]);
    // Retention's own way.
    expect(await storage.audit.removeBefore("2026-11-21T10:00:00.000Z")).toBe(1);
    for (const table of ["audit", "audit_retention"])
      expect(() => database.exec(`delete from ${table}`)).toThrow(/append-only/);
    expect((await storage.audit.find({ before: null, limit: 9 })).map(({ target }) => target)).toEqual(["recent"]);
    await storage.close();
  });

  it("writes a log ahead, and lets no other user read its files", async () => {
    const path = join(scratch(), "microterm.db");
    const storage = await createSqliteStorage({ path });
    onTestFinished(() => storage.close());
    for (const file of [path, `${path}-wal`, `${path}-shm`]) expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it("holds space for what must be written when the host has none", async () => {
    const path = join(scratch(), "microterm.db");
    for (const _start of [1, 2]) {
      const storage = await createSqliteStorage({ path });
      const { size, blocks } = statSync(`${path}-wal`);
      expect(size).toBeGreaterThan(1_000_000);
      expect(512 * blocks).toBeGreaterThan(1_000_000);
      expect(statSync(path).size).toBeLessThan(2_000_000);
      await storage.close();
    }
  });

  it("refuses a database of a newer version", async () => {
    const path = join(scratch(), "microterm.db");
    await (await createSqliteStorage({ path })).close();
    const database = new DatabaseSync(path);
    database.exec("insert into kysely_migration (name, timestamp) values ('9999-future', '2030-01-01T00:00:00.000Z')");
    database.close();
    await expect(createSqliteStorage({ path })).rejects.toThrow(/9999-future/);
  });

  it("refuses a file that is no database, and leaves it as it is", async () => {
    const path = join(scratch(), "microterm.db");
    writeFileSync(path, "not a database, and long enough to be looked at as one".repeat(50));
    await expect(createSqliteStorage({ path })).rejects.toThrow(/not a database/);
    expect(readFileSync(path, "utf8")).toMatch(/^not a database, and/);
  });
});
