import { createCredentialService, environmentIdOfKey, idempotent } from "@microterm/core";
import { accountRow, auditLogOf, silentLog, systemClock, systemRandom } from "@microterm/core/testing";
import { describe, expect, it, onTestFinished } from "vitest";
import { makeTempFolder } from "../../support/temp-folder.ts";
import { openTestStorage } from "../../support/test-database.ts";
import { ANN, BOB, sha256 } from "./core-server.ts";

/** A service at a time of the test's choosing: expiry is days away. */
async function open() {
  const { path, remove } = await makeTempFolder();
  const storage = await openTestStorage(path);
  onTestFinished(async () => {
    await storage.close();
    await remove();
  });
  let ahead = 0;
  const clock = { ...systemClock, now: () => Date.now() + ahead };
  await storage.accounts.insert(accountRow(ANN.owner, new Date(clock.now()).toISOString()));
  await storage.accounts.insert(accountRow(BOB.owner, new Date(clock.now()).toISOString()));
  const service = createCredentialService({
    storage,
    audit: auditLogOf(storage),
    clock,
    random: systemRandom,
    sha256,
    log: silentLog,
  });
  const pass = (minutes: number) => {
    ahead += minutes * 60_000;
  };
  return { storage, clock, service, pass };
}

const PLACE = { device: "Firefox on Linux", address: "192.0.2.1" };
const INVALID = { code: "SIGN_IN_LINK_INVALID" };

describe("a sign-in link", () => {
  it("becomes one session of its owner, however many spend it at once", async () => {
    const { service } = await open();
    const { secret } = await service.issue("link", BOB.owner, { lifetimeMs: 600_000 });
    const spent = await Promise.allSettled(Array.from({ length: 5 }, () => service.exchange(secret, PLACE)));
    const [session, ...more] = spent.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    expect(more).toEqual([]);
    expect(await service.authenticate(session?.secret ?? "", null)).toMatchObject({
      credential: { kind: "session", owner: BOB.owner, ...PLACE },
      account: { id: BOB.owner },
    });
    await expect(service.exchange(secret, PLACE)).rejects.toMatchObject(INVALID);
  });

  it("is refused when it is old, unknown, or far too long, and is no credential itself", async () => {
    const { service, pass } = await open();
    const { secret } = await service.issue("link", ANN.owner, { lifetimeMs: 600_000 });
    expect(await service.authenticate(secret, null)).toBeNull();
    await expect(service.exchange(systemRandom.id(48), PLACE)).rejects.toMatchObject(INVALID);
    await expect(service.exchange("x".repeat(100_000), PLACE)).rejects.toMatchObject(INVALID);
    pass(11);
    await expect(service.exchange(secret, PLACE)).rejects.toMatchObject(INVALID);
  });
});

describe("a session", () => {
  const NOW = "2000-01-01T00:00:00.000Z";
  const HOW = { way: "password", remembersBrowser: true } as const;

  it("is not opened for an account that is disabled, gone, or of another password by then", async () => {
    const { service, storage } = await open();
    const bob = accountRow(BOB.owner, NOW);
    const refused = () =>
      expect(service.openSession(service.prepareSession(bob, PLACE), bob, HOW)).rejects.toMatchObject({
        code: "SIGN_IN_FAILED",
      });
    await storage.accounts.setPassword(BOB.owner, null, "another");
    await refused();
    await storage.accounts.setPassword(BOB.owner, "another", "one");
    await storage.accounts.change(BOB.owner, { disabledAt: NOW });
    await refused();
    await storage.accounts.remove(BOB.owner);
    await refused();
    expect(await storage.credentials.hashesOf(BOB.owner)).toEqual([]);
  });

  it("is one of 100: another one ends the one that was used least lately, and of marks 20 stay", async () => {
    const { service, storage, pass } = await open();
    const bob = accountRow(BOB.owner, NOW);
    const enter = () => service.openSession(service.prepareSession(bob, PLACE), bob, HOW);
    const [first, second] = [await enter(), await enter()];
    for (let count = 2; count < 100; count++) await enter();
    const ended: string[] = [];
    service.subscribe((hash) => ended.push(hash));
    pass(5);
    await service.authenticate(first.secret, null);
    await Promise.all([enter(), enter()]);
    expect(ended).toHaveLength(2);
    expect([await service.authenticate(first.secret, null), ended.includes(first.credential.hash)]).toEqual([
      expect.objectContaining({ credential: expect.objectContaining({ id: first.credential.id }) }),
      false,
    ]);
    expect(await storage.credentials.list(BOB.owner, "session", NOW)).toHaveLength(100);
    expect(await storage.credentials.list(BOB.owner, "known-browser", NOW)).toHaveLength(20);
    expect(second.knownBrowser?.credential.kind).toBe("known-browser");
  });

  it("that has ended makes no token any more", async () => {
    const { service, storage } = await open();
    const bob = accountRow(BOB.owner, NOW);
    const { actor, ...prepared } = service.prepareSession(bob, PLACE);
    await service.openSession({ ...prepared, actor }, bob, HOW);
    const wish = { name: "one", scopes: ["exec"], expiresInSeconds: null } as const;
    await service.createToken(actor, { ...wish, scopes: [...wish.scopes] });
    await service.revoke({ hash: prepared.credential.hash });
    const made = service.createToken(actor, { ...wish, scopes: [...wish.scopes] });
    await expect(made).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    expect(await storage.credentials.list(BOB.owner, "token", NOW)).toHaveLength(1);
  });
});

describe("a token", () => {
  it("works until it is revoked, which is reported", async () => {
    const { service, pass } = await open();
    const facts = { lifetimeMs: null, name: "one", scopes: ["exec"] as const };
    const { secret, credential } = await service.issue("token", ANN.owner, facts);
    const revoked: string[] = [];
    const unsubscribe = service.subscribe((hash) => revoked.push(hash));
    pass(1_000_000);
    expect(await service.authenticate(secret, null)).toMatchObject({ credential });
    await expect(service.exchange(secret, PLACE)).rejects.toMatchObject(INVALID);
    expect(await service.revoke({ secret })).toBe(true);
    expect(await service.revoke({ hash: credential.hash })).toBe(false);
    expect(await service.authenticate(secret, null)).toBeNull();
    expect(revoked).toEqual([credential.hash]);
    unsubscribe();
  });

  it("is kept as a hash only, and sessions end after 30 days", async () => {
    const { service, storage, clock, pass } = await open();
    const { secret } = await service.exchange(
      (await service.issue("link", ANN.owner, { lifetimeMs: 600_000 })).secret,
      PLACE,
    );
    expect(await storage.credentials.find(secret, new Date(clock.now()).toISOString())).toBeNull();
    pass(29 * 24 * 60);
    expect(await service.authenticate(secret, null)).not.toBeNull();
    pass(2 * 24 * 60);
    expect(await service.authenticate(secret, null)).toBeNull();
    expect(await service.sweep()).toBe(1);
    expect(await service.sweep()).toBe(0);
  });

  it.each(["", "x", "x".repeat(129)])("is not made of %j", async (secret) => {
    const { service } = await open();
    expect(await service.authenticate(secret, null)).toBeNull();
  });
});

describe("an idempotency key", () => {
  const request = { owner: ANN.owner, key: "key", fingerprint: "print" };

  it("lets one of many requests act and gives its answer to all", async () => {
    const { storage, clock } = await open();
    let acted = 0;
    const act = async () => ({ status: 201, body: `answer ${++acted}` });
    const options = { repository: storage.idempotency, clock };
    const answers = await Promise.all(Array.from({ length: 5 }, () => idempotent(options, request, act)));
    expect(new Set(answers.map((answer) => answer.body))).toEqual(new Set(["answer 1"]));
    await expect(idempotent(options, { ...request, fingerprint: "other" }, act)).rejects.toMatchObject({
      code: "IDEMPOTENCY_MISMATCH",
    });
    expect((await idempotent(options, { ...request, owner: BOB.owner }, act)).body).toBe("answer 2");
  });

  it("is free again when its request failed", async () => {
    const { storage, clock } = await open();
    const options = { repository: storage.idempotency, clock };
    const failing = idempotent(options, request, () => Promise.reject(new Error("it failed")));
    await expect(failing).rejects.toThrow("it failed");
    expect(await idempotent(options, request, async () => ({ status: 201, body: "" }))).toMatchObject({ status: 201 });
  });

  it.each(["", "k".repeat(129)])("of a wrong length is refused", async (key) => {
    const { storage, clock } = await open();
    const act = async () => ({ status: 201, body: "" });
    await expect(
      idempotent({ repository: storage.idempotency, clock }, { ...request, key }, act),
    ).rejects.toMatchObject({
      code: "BAD_REQUEST",
    });
  });

  it("always stands for the same environment of an owner", () => {
    expect(environmentIdOfKey(ANN.owner, "key", sha256)).toMatch(/^[a-z0-9]{12}$/);
    expect(environmentIdOfKey(ANN.owner, "key", sha256)).toBe(environmentIdOfKey(ANN.owner, "key", sha256));
    const others = [environmentIdOfKey(BOB.owner, "key", sha256), environmentIdOfKey(ANN.owner, "other", sha256)];
    expect(others).not.toContain(environmentIdOfKey(ANN.owner, "key", sha256));
  });
});
