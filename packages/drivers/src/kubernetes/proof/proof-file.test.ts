import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { createQuietLog } from "../../../../../support/quiet-log.ts";
import { makeTempFolder } from "../../../../../support/temp-folder.ts";
import { type ClusterProof, type ProofOptions, rememberedProof } from "./proof-file.ts";

const PODS = {
  kubeConfigFile: null,
  namespace: "default",
  image: "r/m:1",
  cpuOvercommit: 1,
  volumes: null,
  runtimeClass: "kata",
};
const proofOf = (isEnforced: boolean, policyReason: string): ClusterProof => ({
  ...{ isEnforced, policyReason, isVm: false, isolationReason: "containers" },
});
const failing = async () => {
  throw new Error("no cluster");
};

async function startWith() {
  const folder = await makeTempFolder();
  onTestFinished(() => folder.remove());
  const path = join(folder.path, "cluster-proof.json");
  const ask = (over: Partial<ProofOptions>) =>
    rememberedProof({
      ...{
        path,
        server: "https://one",
        pods: PODS,
        allowsUnenforced: false,
        log: createQuietLog(),
        prove: failing,
        ...over,
      },
    });
  return { path, ask };
}

it("is proven once, and again for another cluster", async () => {
  const { ask } = await startWith();
  const first = proofOf(true, "first");
  expect(await ask({ prove: async () => first })).toEqual(first);
  expect(await ask({})).toEqual(first);
  expect(await ask({ server: "https://two", prove: async () => proofOf(true, "second") })).toMatchObject({
    policyReason: "second",
  });
});

it("is proven again after a day, and counts still where that cannot be done", async () => {
  const { path, ask } = await startWith();
  const place = JSON.stringify(["https://one", "default", "r/m:1", "kata"]);
  const file = { version: 1, place, provenAtMs: Date.now() - 25 * 3_600_000, proof: proofOf(true, "old") };
  writeFileSync(path, JSON.stringify(file));
  expect(await ask({})).toMatchObject({ policyReason: "old" });
  expect(await ask({ prove: async () => proofOf(true, "new") })).toMatchObject({ policyReason: "new" });
  expect(await ask({})).toMatchObject({ policyReason: "new" });
});

it("is asked for again where policies were not enforced, unless that is all the same", async () => {
  const { ask } = await startWith();
  await ask({ prove: async () => proofOf(false, "open") });
  expect(await ask({ allowsUnenforced: true })).toMatchObject({ policyReason: "open" });
  expect(await ask({ prove: async () => proofOf(true, "repaired") })).toMatchObject({ policyReason: "repaired" });
});

it("is none where there never was one, or its file is no such file", async () => {
  const { path, ask } = await startWith();
  const refusal = { code: "UNSUPPORTED", message: expect.stringContaining("no cluster") };
  await expect(ask({})).rejects.toMatchObject(refusal);
  writeFileSync(path, "{}");
  await expect(ask({})).rejects.toMatchObject(refusal);
});
