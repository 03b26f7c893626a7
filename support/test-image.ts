import { homedir, userInfo } from "node:os";
import { join } from "node:path";
import { runCommand } from "@microterm/host";
import { buildImage, readManifest } from "@microterm/images";
import { rustBinary } from "./rust-binaries.ts";

export interface TestImage {
  /** The folder with the image's files. */
  readonly directory: string;
  readonly key: string;
}

/** Where finished images stay between runs: the same folder as `microterm up` uses. */
export function testCache(environment: NodeJS.ProcessEnv = process.env): string {
  const { MICROTERM_CACHE: given, XDG_CACHE_HOME: xdg } = environment;
  if (given !== undefined && given !== "") return given;
  if (xdg !== undefined && xdg !== "") return join(xdg, "microterm");
  return userInfo().uid === 0 ? "/var/cache/microterm" : join(homedir(), ".cache/microterm");
}

let found: Promise<TestImage> | undefined;

/** A finished image that is taken as it is: what imports it looks it through. For the KVM lab, where that takes a minute. */
const GIVEN = process.env.MICROTERM_IMAGE;

/** The real image with the agent of the present sources; minutes when it is built for the first time, and looked through once a process. */
export function testImage(): Promise<TestImage> {
  found ??= findImage();
  return found;
}

async function findImage(): Promise<TestImage> {
  if (GIVEN !== undefined) return { directory: GIVEN, key: (await readManifest(GIVEN)).key };
  const cache = testCache();
  const { directory, manifest } = await buildImage({
    outDir: join(cache, "images"),
    cacheDir: join(cache, "image-parts"),
    agentBinary: await rustBinary("microterm-agent"),
    runner: { run: runCommand },
  });
  return { directory, key: manifest.key };
}
