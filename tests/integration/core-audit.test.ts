import { join } from "node:path";
import { type Actor, type AuditLogOptions, actorOf, type Clock, SYSTEM } from "@microterm/core";
import { accountRow, auditLogOf, auditRow, environmentRow, systemClock } from "@microterm/core/testing";
import { type AuditEntry, EnvironmentId, OwnerId, PlatformError } from "@microterm/protocol";
import { createSqliteStorage } from "@microterm/storage";
import { describe, expect, it, onTestFinished } from "vitest";
import { makeTempFolder } from "../../support/temp-folder.ts";

const ADMIN = actorOf({ id: OwnerId.parse("annannann"), role: "admin" });
const origin = { via: "token", credential: "tok1", address: "192.0.2.7" } as const;
const MEMBER = actorOf({ id: OwnerId.parse("bobbobbob"), role: "member" }, { origin });
const DAY_MS = 24 * 3_600_000;

async function open(over: Partial<AuditLogOptions> = {}) {
  const folder = await makeTempFolder();
  const storage = await createSqliteStorage({ path: join(folder.path, "microterm.db") });
  onTestFinished(async () => {
    await storage.close();
    await folder.remove();
  });
  for (const { owner } of [ADMIN, MEMBER]) await storage.accounts.insert(accountRow(owner, "2026-11-22T10:00:00.000Z"));
  const environment = environmentRow({ id: EnvironmentId.parse("aaaa00000000"), name: "work", owner: MEMBER.owner });
  await storage.environments.insert(environment);
  const audit = auditLogOf(storage, over);
  const entries = async (): Promise<readonly AuditEntry[]> =>
    [...(await storage.audit.find({ before: null, limit: 1000 }))].reverse();
  return { storage, audit, entries, environment };
}

describe("a change", () => {
  it("is there with its entry", async () => {
    const { storage, audit, entries, environment } = await open();
    const act = { action: "environment.changed", environment: environment.id, detail: { ttlSeconds: 60 } } as const;
    await audit.change(MEMBER, act, ({ environments }) => environments.setTimes(environment.id, { expiresAt: null }));
    expect(await entries()).toMatchObject([
      {
        ...{ action: "environment.changed", outcome: "done", code: null, detail: { ttlSeconds: 60 }, count: 1 },
        ...{ via: "token", credential: "tok1", address: "192.0.2.7", target: null, beginning: null },
        account: { id: MEMBER.owner, name: MEMBER.owner },
        environment: { id: environment.id, name: "work" },
      },
    ]);
    expect(await storage.environments.count(MEMBER)).toBe(1);
  });

  it("that fails, or changes nothing, has none; and without its entry it is not made", async () => {
    const { storage, audit, entries, environment } = await open();
    const act = { action: "environment.stopped", environment: environment.id } as const;
    const change = (state: "failed" | "stopped") =>
      audit.change("server", act, ({ environments }) => environments.transition(environment.id, ["running"], state));
    await expect(
      audit.change("server", act, async ({ environments }) => {
        await environments.transition(environment.id, ["running"], "stopped");
        throw new Error("no");
      }),
    ).rejects.toThrow("no");
    expect((await storage.environments.get(environment.id, SYSTEM))?.state).toBe("running");
    const broken = { ...act, detail: { reason: 1 } } as never;
    await expect(
      audit.change("server", broken, ({ environments }) =>
        environments.transition(environment.id, ["running"], "failed"),
      ),
    ).rejects.toThrow();
    expect((await storage.environments.get(environment.id, SYSTEM))?.state).toBe("running");
    expect(await entries()).toEqual([]);
    expect(await change("stopped")).not.toBeNull();
    expect(await change("failed")).toBeNull();
    expect(await entries()).toMatchObject([{ outcome: "done", via: "server", account: null }]);
  });
});

describe("an act that changes nothing of the database", () => {
  it("has an entry of its beginning and one of its end", async () => {
    const { audit, entries, environment } = await open();
    const act = await audit.begin(MEMBER, { action: "exec", environment: environment.id, detail: { program: "make" } });
    await act.ended("failed", { code: "GUEST_UNREACHABLE", detail: { end: "disconnected" } });
    await act.ended("done");
    const [first, second, ...others] = await entries();
    expect(others).toEqual([]);
    expect(first).toMatchObject({ outcome: "begun", detail: { program: "make" }, beginning: null });
    expect(second).toMatchObject({ outcome: "failed", code: "GUEST_UNREACHABLE", beginning: first?.id });
    expect(second?.detail).toEqual({ end: "disconnected" });
  });

  it("is written as refused where a rule forbids it, and as failed where it breaks", async () => {
    const { audit, entries } = await open();
    const fails = (error: Error) =>
      expect(
        audit.attempt(MEMBER, { action: "environment.created", target: "x".repeat(100) }, () => Promise.reject(error)),
      ).rejects.toBe(error);
    await fails(new PlatformError("FORBIDDEN", "no"));
    await fails(new PlatformError("GUEST_UNREACHABLE", "no"));
    await fails(new Error("a bug"));
    expect((await entries()).map(({ outcome, code, target }) => [outcome, code, target?.length])).toEqual([
      ["refused", "FORBIDDEN", 64],
      ["failed", "GUEST_UNREACHABLE", 64],
      ["failed", "INTERNAL", 64],
    ]);
  });

  it("is counted where it is refused again in the same minute", async () => {
    const time = { now: Date.parse("2026-11-22T10:00:00.000Z") };
    const { audit, entries } = await open({ clock: { ...systemClock, now: () => time.now } });
    const refuse = (by: Actor, code: "FORBIDDEN" | "NOT_FOUND", target: string) =>
      audit
        .attempt(by, { action: "share.revoked", target }, () => Promise.reject(new PlatformError(code, "no")))
        .catch(() => {});
    for (let number = 0; number < 50; number += 1) await refuse(MEMBER, "NOT_FOUND", `share${number}`);
    await refuse(MEMBER, "FORBIDDEN", "share");
    await refuse(ADMIN, "NOT_FOUND", "share");
    time.now += 60_000;
    await audit.sweep();
    await refuse(MEMBER, "NOT_FOUND", "next");
    await audit.close();
    expect((await entries()).map(({ account, code, target, count }) => [account?.id, code, target, count])).toEqual([
      [MEMBER.owner, "NOT_FOUND", "share0", 1],
      [MEMBER.owner, "FORBIDDEN", "share", 1],
      [ADMIN.owner, "NOT_FOUND", "share", 1],
      [MEMBER.owner, "NOT_FOUND", null, 49],
      [MEMBER.owner, "NOT_FOUND", "next", 1],
    ]);
  });

  it("says of a program its name and how many arguments it has, and these where it is told to", async () => {
    const { audit } = await open();
    expect(audit.program(["/usr/bin/curl", "-H", "token"])).toEqual({ program: "curl", arguments: 2 });
    expect(audit.program(["TOKEN=secret make", "all"])).toEqual({ program: "TOKEN", arguments: 1 });
    expect(audit.program(["curl -H 'token' https://x/y"])).toEqual({ program: "curl", arguments: 0 });
    expect(audit.program([""])).toEqual({ program: "", arguments: 0 });
    const { audit: keeping, entries } = await open({ keepsArguments: true });
    const detail = keeping.program(["make", ...Array.from({ length: 9000 }, () => "x".repeat(3000))]);
    expect(detail).toMatchObject({ program: "make", arguments: 9000 });
    expect(detail.argv?.map((word) => word.length)).toEqual([4, 3000, 1088]);
    await keeping.begin(MEMBER, { action: "exec", detail });
    expect(await entries()).toMatchObject([{ detail }]);
  });
});

describe("failed sign-ins", () => {
  const clockAt = (times: { now: number }): Clock => ({ ...systemClock, now: () => times.now });
  const from = (address: string, account: "ann" | null = null) =>
    ({ address, way: "password", account: account === null ? null : { id: ADMIN.owner, name: "ann" } }) as const;

  it("are one entry at once and one of all others, for each address, account and minute", async () => {
    const time = { now: Date.parse("2026-11-22T10:00:00.000Z") };
    const { audit, entries } = await open({ clock: clockAt(time) });
    for (let number = 0; number < 50; number += 1) await audit.signInFailed(from("192.0.2.1", "ann"));
    await audit.signInFailed(from("192.0.2.1"));
    const shown = async () =>
      (await entries()).map(({ address, target, count, detail }) => [address, target, count, detail.name]);
    const first = [
      ["192.0.2.1", ADMIN.owner, 1, "ann"],
      ["192.0.2.1", null, 1, undefined],
    ];
    expect(await shown()).toEqual(first);
    time.now += 60_000;
    await audit.sweep();
    expect(await shown()).toEqual([...first, ["192.0.2.1", ADMIN.owner, 49, "ann"]]);
    await audit.signInFailed(from("192.0.2.2"));
    await audit.signInFailed(from("192.0.2.2"));
    await audit.close();
    expect((await shown()).slice(3)).toEqual([
      ["192.0.2.2", null, 1, undefined],
      ["192.0.2.2", null, 1, undefined],
    ]);
    for (const entry of await entries())
      expect(entry).toMatchObject({ outcome: "refused", via: "none", account: null });
  });

  it("of thousands of addresses at once become a bounded number of entries, and none goes uncounted", async () => {
    const time = { now: Date.parse("2026-11-22T10:00:00.000Z") };
    const { audit, entries } = await open({ clock: clockAt(time) });
    for (let number = 0; number < 5000; number += 1) await audit.signInFailed(from(`2001:db8::${number.toString(16)}`));
    await audit.close();
    const all = await entries();
    expect(all.length).toBeLessThan(600);
    expect(all.reduce((sum, { count }) => sum + count, 0)).toBe(5000);
  });
});

describe("the log", () => {
  it("is read by admins alone, a page at a time", async () => {
    const { audit, storage } = await open();
    for (let number = 0; number < 450; number += 1) await storage.audit.append(auditRow(Date.now() - 1000 + number));
    const stranger = (actor: Actor) => audit.page(actor, {}, { cursor: null, limit: 50 });
    await expect(stranger(MEMBER)).rejects.toMatchObject({ code: "FORBIDDEN" });
    await expect(audit.export(MEMBER, {})).rejects.toMatchObject({ code: "FORBIDDEN" });
    const scoped = actorOf({ id: ADMIN.owner, role: "admin" }, { scopes: ["environments:read", "exec"] });
    await expect(stranger(scoped)).rejects.toMatchObject({ code: "FORBIDDEN" });
    const seen = new Set<string>();
    const sizes: number[] = [];
    for (let cursor: AuditEntry["id"] | null = null, isFirst = true; isFirst || cursor !== null; isFirst = false) {
      const page = await audit.page(ADMIN, {}, { cursor, limit: 9999 });
      for (const { id } of page.entries) seen.add(id);
      sizes.push(page.entries.length);
      cursor = page.cursor;
    }
    expect([sizes, seen.size]).toEqual([[200, 200, 50], 450]);
    const pieces: number[] = [];
    for await (const piece of await audit.export(ADMIN, { action: "exec" })) pieces.push(piece.length);
    expect(pieces.reduce((sum, size) => sum + size)).toBe(450);
    expect((await stranger(ADMIN)).entries.some(({ action }) => action === "audit.exported")).toBe(true);
  });

  it("keeps entries for as many days as it is told to, or for ever", async () => {
    const { audit, storage, entries } = await open({ days: 90 });
    for (const days of [400, 91, 89, 0]) await storage.audit.append(auditRow(Date.now() - days * DAY_MS));
    const forever = auditLogOf(storage, { days: 0 });
    expect(await forever.sweep()).toBe(0);
    expect(await audit.sweep()).toBe(2);
    expect(await entries()).toHaveLength(2);
  });

  it("has its entries in the order in which they were written, also within a millisecond", async () => {
    const { audit, entries } = await open({ clock: { ...systemClock, now: () => 1_800_000_000_000 } });
    for (let number = 0; number < 300; number += 1) {
      await audit.note("server", { action: "audit.exported", target: String(number) });
    }
    expect((await entries()).map(({ target }) => Number(target))).toEqual(Array.from({ length: 300 }, (_, n) => n));
  });
});
