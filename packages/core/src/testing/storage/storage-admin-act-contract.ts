import { EnvironmentId } from "@microterm/protocol";
import { describe, expect, it } from "vitest";
import type { Storage } from "../../ports/repository.ts";
import { accountRow } from "../account-row.ts";
import { environmentRow } from "../environment-row.ts";
import { ANN, BOB, LATER, NOW } from "./storage-rest-contract.ts";

const ENVIRONMENT = EnvironmentId.parse("e00000000001");

/** What every database must do with admins' acts. `open` resolves with an empty one that has two owners. */
export function adminActContract(name: string, open: () => Promise<Storage>): void {
  async function owned(): Promise<Storage> {
    const storage = await open();
    await storage.environments.insert(
      environmentRow({ id: ENVIRONMENT, name: "work", owner: ANN, state: "destroying" }),
    );
    return storage;
  }
  const lookIn = { id: "act000000001", at: NOW, admin: BOB, environment: ENVIRONMENT };
  const transfer = {
    ...{ id: "act000000002", at: LATER, admin: BOB },
    ...{ owner: ANN, environmentName: "work", recipient: BOB },
  };

  describe(`${name}: acts of admins`, () => {
    it("are told to who owned it then, the newest first, and to nobody else", async () => {
      const { adminActs } = await owned();
      await adminActs.lookedIn(lookIn);
      await adminActs.transferred(transfer);
      const all = { admin: BOB, environmentName: "work" };
      expect(await adminActs.list(ANN, 9)).toEqual([
        { ...all, id: transfer.id, kind: "transfer", at: LATER, environment: null, recipient: BOB },
        { ...all, id: lookIn.id, kind: "look-in", at: NOW, environment: ENVIRONMENT, recipient: null },
      ]);
      expect((await adminActs.list(ANN, 1)).map(({ id }) => id)).toEqual([transfer.id]);
      expect(await adminActs.list(BOB, 9)).toEqual([]);
    });

    it("are none where it is one's own, nor where the environment is gone", async () => {
      const { adminActs } = await owned();
      await adminActs.lookedIn({ ...lookIn, admin: ANN });
      await adminActs.lookedIn({ ...lookIn, environment: EnvironmentId.parse("gone00000000") });
      await adminActs.transferred({ ...transfer, admin: ANN });
      expect(await adminActs.list(ANN, 9)).toEqual([]);
    });

    it("keep the names of that time; look-ins go with the environment, all with its owner", async () => {
      const { accounts, adminActs, environments } = await owned();
      const carl = accountRow("carlcarlcarl", LATER);
      await accounts.insert(carl);
      await adminActs.lookedIn({ ...lookIn, admin: carl.id });
      await adminActs.transferred({ ...transfer, admin: carl.id });
      await accounts.remove(carl.id);
      expect((await adminActs.list(ANN, 9)).map(({ admin }) => admin)).toEqual([carl.name, carl.name]);
      const receipt = { environment: ENVIRONMENT, name: "work", destroyedAt: LATER };
      await environments.finish(ENVIRONMENT, ANN, receipt as Parameters<typeof environments.finish>[2]);
      expect((await adminActs.list(ANN, 9)).map(({ kind }) => kind)).toEqual(["transfer"]);
    });
  });
}
