import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type CommandResult, runCommand } from "@microterm/host";
import { inCluster } from "./in-cluster.ts";

const CHART = join(import.meta.dirname, "../../deploy/kubernetes");

/** What helm makes of the chart with these values, or complains of. `folder` is for its files. */
export async function templateChart(folder: string, values: object, namespace = "default"): Promise<CommandResult> {
  const file = join(folder, "values.json");
  await writeFile(file, JSON.stringify(values));
  const command = [inCluster()?.helm ?? "", "template", "mt", CHART, "--namespace", namespace, "--values", file];
  const env = { ...process.env, HOME: folder } as Record<string, string>;
  return runCommand([...command, "--kube-version", "1.34.4"], { env });
}
