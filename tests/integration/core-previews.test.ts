import { createCredentialService, createPreviewService } from "@microterm/core";
import { accountRow, auditLogOf, environmentRow, silentLog, systemClock, systemRandom } from "@microterm/core/testing";
import { EnvironmentId } from "@microterm/protocol";
import { describe, expect, it, onTestFinished } from "vitest";
import { makeTempFolder } from "../../support/temp-folder.ts";
import { openTestStorage } from "../../support/test-database.ts";
import { ANN, BOB, sha256 } from "./core-server.ts";

const environment = EnvironmentId.parse("e00000000001");
const target = { environment, port: 3000 };
const wanted = { reference: environment, port: 3000 };

/** The service at a time of the test's choosing, with a session. */
async function open() {
  const { path, remove } = await makeTempFolder();
  const storage = await openTestStorage(path);
  onTestFinished(async () => {
    await storage.close();
    await remove();
  });
  let ahead = 0;
  const core = { storage, sha256, random: systemRandom, clock: { ...systemClock, now: () => Date.now() + ahead } };
  await storage.accounts.insert(accountRow(ANN.owner, new Date().toISOString()));
  await storage.environments.insert(environmentRow({ id: environment, owner: ANN.owner }));
  const credentials = createCredentialService({ ...core, audit: auditLogOf(storage), log: silentLog });
  const { credential: session } = await credentials.issue("session", ANN.owner, { lifetimeMs: 30 * 24 * 3_600_000 });
  const service = createPreviewService({ ...core, audit: auditLogOf(storage), locate: async () => environment });
  const pass = (seconds: number) => {
    ahead += seconds * 1000;
  };
  return { service, session, credentials, storage, pass };
}

describe("a ticket", () => {
  it("opens its port once, however many spend it at once, and lasts half a minute", async () => {
    const { service, session, pass } = await open();
    const first = await service.issueTicket(ANN, wanted, session);
    const spent = await Promise.all(Array.from({ length: 5 }, () => service.redeem(first.secret, target)));
    const [grant, ...more] = spent.filter((one) => one !== null);
    expect(more).toEqual([]);
    expect(await service.admit([grant?.secret ?? ""], target)).toMatchObject({ kind: "session" });
    expect(await service.admit([grant?.secret ?? ""], { ...target, port: 3001 })).toBeNull();
    const late = await service.issueTicket(ANN, wanted, session);
    pass(30);
    expect(await service.redeem(late.secret, target)).toBeNull();
    expect(await service.admit([late.secret], target)).toBeNull();
    pass(13 * 3600);
    expect(await service.admit([grant?.secret ?? ""], target)).toBeNull();
    expect(await service.sweep()).toBe(1);
  });

  it("is nothing once its session has ended, and neither is what it has opened", async () => {
    const { service, session, credentials } = await open();
    const grant = await service.redeem((await service.issueTicket(ANN, wanted, session)).secret, target);
    const ticket = await service.issueTicket(ANN, wanted, session);
    await credentials.revoke({ hash: session.hash });
    expect(await service.redeem(ticket.secret, target)).toBeNull();
    expect(await service.admit([grant?.secret ?? ""], target)).toBeNull();
  });

  it("is forgotten where hundreds are asked for and never spent", async () => {
    const { service, session } = await open();
    const first = await service.issueTicket(ANN, wanted, session);
    for (let at = 0; at < 256; at++) await service.issueTicket(ANN, wanted, session);
    expect(await service.redeem(first.secret, target)).toBeNull();
  });
});

describe("a shared link", () => {
  it("opens its port until it ends or is ended, which is reported", async () => {
    const { service, pass } = await open();
    const revoked: string[] = [];
    service.subscribe((hash) => revoked.push(hash));
    const short = await service.share(ANN, environment, { port: 3000, ttlSeconds: 60 });
    const long = await service.share(ANN, environment, { port: 3000, ttlSeconds: 600 });
    expect(await service.admit(["x", short.secret], target)).toMatchObject({ kind: "link", id: short.link.id });
    pass(60);
    expect(await service.admit([short.secret], target)).toBeNull();
    expect(await service.links(ANN, environment)).toEqual([long.link]);
    await service.revoke(ANN, environment, long.link.id);
    expect(await service.admit([long.secret], target)).toBeNull();
    expect(revoked).toEqual([sha256(long.secret)]);
    await expect(service.revoke(ANN, environment, long.link.id)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("is none where the environment was given away while it was made", async () => {
    const { service, storage } = await open();
    await storage.accounts.insert(accountRow(BOB.owner, new Date().toISOString()));
    const only = { state: environmentRow().state, machineId: environmentRow().machineId };
    const given = { from: ANN.owner, to: BOB.owner, name: "given", at: new Date().toISOString(), isForced: true, only };
    // Its owner was looked up before: here that always answers as it did then.
    expect(await storage.environments.transfer(environment, given)).not.toBeNull();
    await expect(service.share(ANN, environment, { port: 3000, ttlSeconds: 60 })).rejects.toMatchObject({
      code: "ENVIRONMENT_NOT_FOUND",
    });
    expect(await storage.previews.links(environment, new Date().toISOString())).toEqual([]);
  });

  it("is one of 64 at most", async () => {
    const { service } = await open();
    for (let at = 0; at < 64; at++) await service.share(ANN, environment, { port: 3000, ttlSeconds: 60 });
    const more = service.share(ANN, environment, { port: 3000, ttlSeconds: 60 });
    await expect(more).rejects.toMatchObject({ code: "TOO_MANY" });
  });
});
