import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCommand } from "@microterm/host";
import { afterAll, expect, it, onTestFinished } from "vitest";
import { inCluster, kubectl } from "../../support/cluster/in-cluster.ts";
import { startPostgres } from "../../support/postgres-cluster.ts";

const script = join(import.meta.dirname, "../../microterm");
const folder = mkdtempSync(join(tmpdir(), "microterm-cluster-up-"));
const data = join(folder, "data");

/** The entry script as a person runs it, without a terminal. */
const withEnv = (over: Readonly<Record<string, string>>, ...args: readonly string[]) =>
  runCommand([script, ...args], { env: { ...process.env, MICROTERM_DATA: data, ...over } as Record<string, string> });
const microterm = (...args: readonly string[]) => withEnv({}, ...args);

const pods = async (): Promise<readonly string[]> =>
  (await kubectl("get", "pods", "--output", "name")).split("\n").filter((line) => line !== "");

afterAll(async () => {
  await microterm("down", "--destroy", "--yes");
  rmSync(folder, { recursive: true, force: true });
});

/** What pods are made in, for the server's user, and of. */
function clusterOptions(): readonly string[] {
  const cluster = inCluster();
  if (cluster === null) throw new Error("there is no cluster: support/cluster/run.ts starts one");
  const kubeconfig = join(folder, "kubeconfig");
  copyFileSync(cluster.kubeConfigFile, kubeconfig);
  // Of the cluster's namespaces, which nobody else reaches: the server's user reads it where root has started it.
  chmodSync(folder, 0o755);
  chmodSync(kubeconfig, 0o644);
  return ["--pool", "0", "--driver", "kubernetes", "--kubeconfig", kubeconfig, "--image", cluster.image];
}

it("brings a server to a cluster, makes environments of pods, and takes all of it back", async () => {
  const up = () => microterm("up", "--detach", ...clusterOptions());

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

it("brings two servers to one fleet; the one that stays goes on with what the other had", async () => {
  const postgres = await startPostgres();
  onTestFinished(() => postgres.remove());
  const shared = join(folder, "shared");
  mkdirSync(shared);
  // Whichever starts first makes the key.
  chmodSync(shared, 0o777);
  const member = (name: string, port: number) => {
    const env = { MICROTERM_DATA: join(folder, name), DATABASE_URL: postgres.url("postgres") };
    const fleet = [
      "--fleet",
      `127.0.0.1:${port}`,
      "--identity",
      join(shared, "identity.json"),
      "--port",
      String(port + 1),
    ];
    onTestFinished(async () => void (await withEnv(env, "down", "--destroy", "--yes")));
    return {
      run: (...args: readonly string[]) => withEnv(env, ...args),
      up: () => withEnv(env, "up", "--detach", ...clusterOptions(), ...fleet),
    };
  };
  const [one, other] = [member("one", 7700), member("other", 7710)];
  const alone = await withEnv(
    {},
    "up",
    "--detach",
    ...clusterOptions(),
    "--fleet",
    "127.0.0.1:7700",
    "--identity",
    "/k",
  );
  expect(alone).toMatchObject({ code: 1, stderr: expect.stringContaining("set DATABASE_URL") });
  for (const server of [one, other]) expect(await server.up()).toMatchObject({ code: 0 });
  expect((await one.run("create", "--name", "shared")).stderr).toBe("");
  expect((await other.run("exec", "shared", "--", "id", "-un")).stdout).toBe("dev\n");
  expect(await one.run("down")).toMatchObject({ code: 0, stderr: expect.stringContaining("Environments live on") });
  expect((await other.run("exec", "shared", "--", "id", "-un")).stdout).toBe("dev\n");
  expect(await pods()).toHaveLength(1);
  expect((await other.run("rm", "shared")).code).toBe(0);
  expect(await pods()).toEqual([]);
});
