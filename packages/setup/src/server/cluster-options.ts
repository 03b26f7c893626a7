import { resolve } from "node:path";
import { type PodPlace, volumesOf } from "@microterm/drivers";
import { CLUSTER_OVERCOMMIT, parseOvercommit } from "@microterm/protocol";
import { SetupError } from "../progress.ts";
import type { ServeOption } from "./listen-options.ts";

/** Of `up`, for `--driver kubernetes`. */
export const CLUSTER_OPTIONS = {
  kubeconfig: { type: "string" },
  namespace: { type: "string" },
  "runtime-class": { type: "string" },
  "storage-class": { type: "string" },
  image: { type: "string" },
  "insecure-no-network-policy": { type: "boolean" },
} as const;

type Values = { readonly [Name in keyof typeof CLUSTER_OPTIONS]?: string | boolean | undefined };

/** Where a server of these arguments makes its pods, as `serve` reads them; null of one with another driver. */
export function podPlaceOf(args: readonly string[]): PodPlace | null {
  const given = (option: string): string | undefined => args[args.indexOf(option) + 1 || args.length];
  if (given("--driver") !== "kubernetes") return null;
  const runtimeClass = given("--runtime-class") ?? "kata";
  return {
    kubeConfigFile: given("--kubeconfig") ?? null,
    namespace: given("--namespace") ?? "default",
    image: given("--image") ?? "",
    runtimeClass: runtimeClass === "" ? null : runtimeClass,
    cpuOvercommit: (parseOvercommit(given("--overcommit") ?? "", CLUSTER_OVERCOMMIT) ?? CLUSTER_OVERCOMMIT).cpu,
    volumes: volumesOf(given("--storage-class") ?? ""),
  };
}

/** What the server is told of its cluster. */
export function readClusterOptions(values: Values, isCluster: boolean): readonly ServeOption[] {
  const given = Object.keys(CLUSTER_OPTIONS).flatMap((name): ServeOption[] => {
    const value = values[name as keyof Values];
    return value === undefined ? [] : [[`--${name}`, name === "kubeconfig" ? resolve(`${value}`) : `${value}`]];
  });
  const [first] = given;
  if (!isCluster && first !== undefined) {
    throw new SetupError(`${first[0]} is for --driver kubernetes`, "./microterm up --driver kubernetes --image NAME");
  }
  if (isCluster && values.image === undefined) {
    throw new SetupError(
      "--driver kubernetes needs --image: what the cluster's nodes pull",
      "./microterm up --driver kubernetes --image registry.example.org/microterm:1",
    );
  }
  return given;
}
