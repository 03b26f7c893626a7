import { describe, expect, it } from "vitest";
import type { IdentityRow } from "../../ports/repositories/identity-repository.ts";
import type { Storage } from "../../ports/repository.ts";
import { ANN, BOB, LATER, NOW } from "./storage-rest-contract.ts";

const identity = (over: Partial<IdentityRow> = {}): IdentityRow => ({
  ...{ id: "identity0000", issuer: "https://sso.example.org", subject: "s-1", account: BOB, name: "bob" },
  ...{ createdAt: NOW, lastUsedAt: null, ...over },
});

/** What every database must do with identities. `open` resolves with one that has Ann, the older one, and Bob. */
export function identitiesContract(name: string, open: () => Promise<Storage>): void {
  describe(`${name}: identities`, () => {
    it("are found by issuer and subject as they are written, and note who uses them", async () => {
      const { identities, accounts } = await open();
      await identities.insert(identity());
      const used = { issuer: "https://sso.example.org", subject: "s-1", name: "robert" };
      expect(await identities.use(used, LATER)).toEqual(await accounts.get(BOB));
      expect(await identities.list(BOB)).toEqual([identity({ name: "robert", lastUsedAt: LATER })]);
      for (const other of [{ subject: "S-1" }, { subject: "s-1 " }, { issuer: "https://sso.example.org/" }]) {
        expect(await identities.use({ ...used, ...other }, LATER)).toBeNull();
      }
    });

    it("are of one account each, of which one may have several", async () => {
      const { identities, accounts } = await open();
      await identities.insert(identity());
      await identities.insert(identity({ id: "identity0001", subject: "s-2", createdAt: LATER }));
      const taken = expect.objectContaining({ code: "IDENTITY_TAKEN" });
      await expect(identities.insert(identity({ id: "identity0002", account: ANN }))).rejects.toEqual(taken);
      expect((await identities.list(BOB)).map(({ id }) => id)).toEqual(["identity0000", "identity0001"]);
      expect((await accounts.list()).map(({ hasIdentity }) => hasIdentity)).toEqual([false, true]);
    });

    it("are taken back by the account that has them, and go with it", async () => {
      const { identities, accounts } = await open();
      await identities.insert(identity());
      await identities.insert(identity({ id: "identity0001", subject: "s-2" }));
      expect(await identities.remove(ANN, "identity0000")).toBe(false);
      expect(await identities.remove(BOB, "identity0000")).toBe(true);
      expect(await identities.remove(BOB, "identity0000")).toBe(false);
      await accounts.remove(BOB);
      expect(await identities.list(BOB)).toEqual([]);
      expect(await identities.use(identity({ subject: "s-2" }), LATER)).toBeNull();
    });

    it("and their account are made together, or neither", async () => {
      const { identities, accounts, transaction } = await open();
      await identities.insert(identity());
      const row = { ...(await accounts.get(BOB)), id: "catcatcat", name: "cat" };
      const made = transaction(async (inside) => {
        await inside.accounts.insert(row as never);
        await inside.identities.insert(identity({ id: "identity0001", account: row.id as never }));
      });
      await expect(made).rejects.toEqual(expect.objectContaining({ code: "IDENTITY_TAKEN" }));
      expect(await accounts.find("cat")).toBeNull();
    });
  });
}
