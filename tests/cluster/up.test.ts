import { chmodSync, copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCommand } from "@microterm/host";
import { afterAll, expect, it } from "vitest";
import { inCluster, kubectl } from "../../support/cluster/in-cluster.ts";

const script = join(import.meta.dirname, "../../microterm");
const folder = mkdtempSync(join(tmpdir(), "microterm-cluster-up-"));
const data = join(folder, "data");

/** The entry script as a person runs it, without a terminal. */
const microterm = (...args: readonly string[]) =>
  runCommand([script, ...args], { env: { ...process.env, MICROTERM_DATA: data } as Record<string, string> });

const pods = async (): Promise<readonly string[]> =>
  (await kubectl("get", "pods", "--output", "name")).split("\n").filter((line) => line !== "");

afterAll(async () => {
  await microterm("down", "--destroy", "--yes");
  rmSync(folder, { recursive: true, force: true });
});

it("brings a server to a cluster, makes environments of pods, and takes all of it back", async () => {
  const cluster = inCluster();
  if (cluster === null) throw new Error("there is no cluster: support/cluster/run.ts starts one");
  const kubeconfig = join(folder, "kubeconfig");
  copyFileSync(cluster.kubeConfigFile, kubeconfig);
  // Of the cluster's namespaces, which nobody else reaches: the server's user reads it where root has started it.
  chmodSync(folder, 0o755);
  chmodSync(kubeconfig, 0o644);
  const driver = ["--pool", "0", "--driver", "kubernetes", "--kubeconfig", kubeconfig, "--image", cluster.image];
  const up = () => microterm("up", "--detach", ...driver);

  expect(await up()).toMatchObject({ code: 0, stdout: expect.stringMatching(/^http:\/\/127\.0\.0\.1:7681\//) });
  expect((await microterm("create", "--name", "first")).stderr).toBe("");
  expect((await microterm("exec", "first", "--", "id", "-un")).stdout).toBe("dev\n");
  expect(await pods()).toHaveLength(1);

  // It stops what runs, as on one host. Without a disk an environment begins anew.
  expect((await microterm("down")).code).toBe(0);
  expect(await pods()).toEqual([]);
  expect(await up()).toMatchObject({ code: 0 });
  expect((await microterm("start", "first")).code).toBe(0);
  expect((await microterm("exec", "first", "--", "cat", "/etc/hostname")).stdout).toBe("microterm\n");
  expect((await microterm("rm", "first")).code).toBe(0);
  expect(await pods()).toEqual([]);
});
