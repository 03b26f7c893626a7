import { PlatformError } from "@microterm/protocol";
import { expect, it } from "vitest";
import { admissionOf, proofOf, rightsOf, versionOf } from "./cluster-checks.ts";

it("takes no cluster whose pods cannot wait for their policies", () => {
  const status = (version: string) => versionOf(version, "https://c").status;
  expect(["v1.29.9", "v1.30.0", "v1.34.4-gke.1", "v2.0.0", "?"].map(status)).toEqual([
    "fail",
    "ok",
    "ok",
    "ok",
    "fail",
  ]);
});

it("works without rights to nodes, and not without others", () => {
  expect([[], ["nodes get"], ["nodes list", "secrets create"]].map((missing) => rightsOf(missing).status)).toEqual([
    "ok",
    "warn",
    "fail",
  ]);
});

it("tells from a pod's refusal what is missing", () => {
  const statuses = (refusal: unknown, runtimeClass: string | null = "kata") =>
    admissionOf(refusal, runtimeClass).map(({ name, status }) => `${name} ${status}`);
  expect(statuses(null)).toEqual(["runtime class ok", "quota ok"]);
  expect(statuses(new PlatformError("MACHINE_BOOT_FAILED", 'RuntimeClass "kata" not found'))).toEqual([
    "runtime class fail",
  ]);
  const quota = "the cluster's quota is exhausted: exceeded quota: small";
  expect(statuses(new PlatformError("HOST_OUT_OF_MEMORY", quota))).toEqual(["runtime class ok", "quota fail"]);
  expect(statuses(new PlatformError("MACHINE_BOOT_FAILED", 'violates PodSecurity "restricted:latest"'))).toEqual([
    "pods fail",
  ]);
});

it("fails where policies are not enforced, unless up was told so, and warns of containers", () => {
  const proof = { isEnforced: true, policyReason: "refused", isVm: true, isolationReason: "own kernel" };
  const open = { isEnforced: false, policyReason: "sent", isVm: false, isolationReason: "shared kernel" };
  const statuses = (...args: Parameters<typeof proofOf>) => proofOf(...args).map(({ status }) => status);
  expect(statuses(proof, false)).toEqual(["ok", "ok", "ok"]);
  expect(statuses(open, false)).toEqual(["ok", "fail", "warn"]);
  expect(statuses(open, true)).toEqual(["ok", "warn", "warn"]);
  expect(proofOf(open, true)[1]?.text).toContain("--insecure-no-network-policy");
});
