import { readFileSync, renameSync, writeFileSync } from "node:fs";
import type { Log } from "@microterm/core";
import { PlatformError } from "@microterm/protocol";
import { z } from "zod";
import type { PodPlace } from "../pods/pod-place.ts";

/** What pods of one place were seen to be. */
const ClusterProof = z.strictObject({
  /** What a NetworkPolicy refuses is refused, both ways. */
  isEnforced: z.boolean(),
  /** How that was found, for a person. */
  policyReason: z.string(),
  /** A pod has a kernel of its own. */
  isVm: z.boolean(),
  isolationReason: z.string(),
});
export type ClusterProof = Readonly<z.infer<typeof ClusterProof>>;

const File = z.strictObject({
  version: z.literal(1),
  /** Another cluster, namespace, image or class needs another. */
  place: z.string(),
  provenAtMs: z.number(),
  proof: ClusterProof,
});

/** A proof takes seconds, in which a server that is started again would answer nobody. */
const FRESH_MS = 24 * 3_600_000;

export interface ProofOptions {
  readonly path: string;
  /** The API server's URL. */
  readonly server: string;
  readonly pods: PodPlace;
  /** It is all the same whether policies are enforced. */
  readonly allowsUnenforced: boolean;
  readonly log: Log;
  prove(): Promise<ClusterProof>;
}

/**
 * The proof of a place: of the file, where that is less than a day old, else a new one, which the file has then. Where none can be had now, one
 * of before counts still: environments are reached without the cluster. Rejects with `UNSUPPORTED` where there has been none.
 */
export async function rememberedProof(options: ProofOptions): Promise<ClusterProof> {
  const { path, server, pods, allowsUnenforced, log, prove } = options;
  const place = JSON.stringify([server, pods.namespace, pods.image, pods.runtimeClass]);
  const known = read(path, place);
  const age = known === null ? Number.POSITIVE_INFINITY : Date.now() - known.provenAtMs;
  // What was refused may have been repaired.
  const suffices = known !== null && (known.proof.isEnforced || allowsUnenforced);
  if (suffices && age >= 0 && age < FRESH_MS) return known.proof;
  try {
    const proof = await prove();
    write(path, { version: 1, place, provenAtMs: Date.now(), proof });
    return proof;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    if (!suffices) {
      throw new PlatformError(
        "UNSUPPORTED",
        `whether the cluster enforces network policies cannot be told: ${why} (./microterm doctor says more)`,
        { cause: error },
      );
    }
    log.warn("what is known of the cluster's pods could not be proven again", { error: why });
    return known.proof;
  }
}

function read(path: string, place: string): z.infer<typeof File> | null {
  try {
    const file = File.parse(JSON.parse(readFileSync(path, "utf8")));
    return file.place === place ? file : null;
  } catch {
    return null;
  }
}

function write(path: string, file: z.infer<typeof File>): void {
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, JSON.stringify(file), { mode: 0o600 });
  renameSync(temporary, path);
}
