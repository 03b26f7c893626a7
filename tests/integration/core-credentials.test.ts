import { join } from "node:path";
import { createCredentialService, environmentIdOfKey, idempotent } from "@microterm/core";
import { systemClock, systemRandom } from "@microterm/core/testing";
import { createSqliteStorage } from "@microterm/storage";
import { describe, expect, it, onTestFinished } from "vitest";
import { makeTempFolder } from "../../support/temp-folder.ts";
import { ANN, BOB, sha256 } from "./core-server.ts";

/** A service at a time of the test's choosing: expiry is days away. */
async function open() {
  const { path, remove } = await makeTempFolder();
  const storage = await createSqliteStorage({ path: join(path, "microterm.db") });
  onTestFinished(async () => {
    await storage.close();
    await remove();
  });
  let ahead = 0;
  const clock = { ...systemClock, now: () => Date.now() + ahead };
  await storage.owners.insert(ANN.owner, new Date(clock.now()).toISOString());
  await storage.owners.insert(BOB.owner, new Date(clock.now()).toISOString());
  const service = createCredentialService({ storage, clock, random: systemRandom, sha256 });
  const pass = (minutes: number) => {
    ahead += minutes * 60_000;
  };
  return { storage, clock, service, pass };
}

const INVALID = { code: "SIGN_IN_LINK_INVALID" };

describe("a sign-in link", () => {
  it("becomes one session of its owner, however many spend it at once", async () => {
    const { service } = await open();
    const { secret } = await service.createLink(BOB);
    const spent = await Promise.allSettled(Array.from({ length: 5 }, () => service.exchange(secret)));
    const [session, ...more] = spent.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    expect(more).toEqual([]);
    expect(await service.authenticate(session?.secret ?? "")).toMatchObject({ kind: "session", owner: BOB.owner });
    await expect(service.exchange(secret)).rejects.toMatchObject(INVALID);
  });

  it("is refused when it is old, unknown, or far too long, and is no credential itself", async () => {
    const { service, pass } = await open();
    const { secret } = await service.createLink(ANN);
    expect(await service.authenticate(secret)).toBeNull();
    await expect(service.exchange(systemRandom.id(48))).rejects.toMatchObject(INVALID);
    await expect(service.exchange("x".repeat(100_000))).rejects.toMatchObject(INVALID);
    pass(11);
    await expect(service.exchange(secret)).rejects.toMatchObject(INVALID);
  });
});

describe("a token", () => {
  it("works until it is revoked, which is reported", async () => {
    const { service, pass } = await open();
    const { secret, credential } = await service.createToken(ANN);
    const revoked: string[] = [];
    const unsubscribe = service.subscribe((hash) => revoked.push(hash));
    pass(1_000_000);
    expect(await service.authenticate(secret)).toEqual(credential);
    await expect(service.exchange(secret)).rejects.toMatchObject(INVALID);
    expect(await service.revoke({ secret })).toBe(true);
    expect(await service.revoke({ hash: credential.hash })).toBe(false);
    expect(await service.authenticate(secret)).toBeNull();
    expect(revoked).toEqual([credential.hash]);
    unsubscribe();
  });

  it("is kept as a hash only, and sessions end after 30 days", async () => {
    const { service, storage, clock, pass } = await open();
    const { secret } = await service.exchange((await service.createLink(ANN)).secret);
    expect(await storage.credentials.find(secret, new Date(clock.now()).toISOString())).toBeNull();
    pass(29 * 24 * 60);
    expect(await service.authenticate(secret)).not.toBeNull();
    pass(2 * 24 * 60);
    expect(await service.authenticate(secret)).toBeNull();
    expect(await service.sweep()).toBe(1);
    expect(await service.sweep()).toBe(0);
  });

  it.each(["", "x", "x".repeat(129)])("is not made of %j", async (secret) => {
    const { service } = await open();
    expect(await service.authenticate(secret)).toBeNull();
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
