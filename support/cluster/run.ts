/**
 * `run.ts COMMAND…` starts a cluster with the environments' image in it, runs a command in its network with MICROTERM_CLUSTER (JSON: see
 * `in-cluster.ts`), and ends the cluster. Where there can be none it says why, and exits with 77.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { runCommand } from "@microterm/host";
import { exportImage } from "@microterm/images";
import { rustBinary } from "../rust-binaries.ts";
import { testImage } from "../test-image.ts";
import { clusterCache, obtainClusterBinaries } from "./binaries.ts";
import { startCluster } from "./cluster.ts";
import type { InCluster } from "./in-cluster.ts";
import { makeServerAccount } from "./server-account.ts";

/** That another run may be about to import. */
const KEPT_IMAGES = 2;
const started = performance.now();
const report = (line: string) =>
  process.stderr.write(`cluster: ${((performance.now() - started) / 1000).toFixed(1)} s: ${line}\n`);

const cache = clusterCache();
await mkdir(cache, { recursive: true });
const binaries = await obtainClusterBinaries(cache, report);
if ("absence" in binaries) {
  report(`there can be none: ${binaries.absence}`);
  process.exit(77);
}
const image = await environmentImage();
const cluster = await startCluster(binaries, report);
let code = 1;
try {
  await cluster.ctr("images", "import", image.path);
  report("the image is in it");
  const told: InCluster = {
    ...{ folder: cluster.folder, adminKubeConfigFile: cluster.kubeconfig },
    kubeConfigFile: await makeServerAccount(cluster),
    ...{ programs: binaries.folder, image: image.name, helm: binaries.helm, kwok: binaries.kwok },
  };
  // It ends with us, however we do, and keeps no namespace.
  const child = spawn("setpriv", ["--pdeathsig", "TERM", "--", ...cluster.inside(process.argv.slice(2))], {
    stdio: "inherit",
    env: { ...process.env, MICROTERM_CLUSTER: JSON.stringify(told) },
  });
  [code] = (await once(child, "exit")) as [number];
} finally {
  await cluster.close();
  report("ended");
}
process.exit(code);

/** Half a gigabyte each. */
async function removeOldest(kept: number): Promise<void> {
  const names = (await readdir(cache)).filter((name) => name.startsWith("environment-"));
  const written = await Promise.all(names.map(async (name) => ({ name, at: (await stat(join(cache, name))).mtimeMs })));
  const others = written.sort((one, other) => other.at - one.at).slice(kept);
  for (const { name } of others) await rm(join(cache, name), { force: true });
}

/** Written once for each image and agent. */
async function environmentImage(): Promise<{ readonly path: string; readonly name: string }> {
  const { directory, key } = await testImage();
  const name = `microterm.test/environment:${key.slice(0, 16)}`;
  const path = join(cache, `environment-${key}.tar`);
  if (!existsSync(path)) {
    report("writing the image of environments");
    const agentBinary = await rustBinary("microterm-agent");
    await exportImage({ image: directory, agentBinary, path, name, scratch: cache, runner: { run: runCommand } });
    await removeOldest(KEPT_IMAGES);
  }
  return { path, name };
}
