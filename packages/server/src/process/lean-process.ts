import { mkdirSync } from "node:fs";
import { flushCompileCache } from "node:module";

/**
 * Generations of young objects that grow to 16 MiB each are for a throughput that a server of small frames does not
 * need: with 1 MiB the process stays about 10 MB smaller.
 */
const SMALL_YOUNG_GENERATION = "--max-semi-space-size=1";
/** The thread of the screen models collects what idle ones have left, which V8 does not do by itself while nothing happens. */
const COLLECTABLE = "--expose-gc";
const FLAGS = [SMALL_YOUNG_GENERATION, COLLECTABLE, "--disable-warning=ExperimentalWarning"];
/**
 * For malloc(3) (mallopt(3), M_ARENA_MAX): an arena for each of Node's threads keeps what one model after the other has had. Allocations that
 * wait for each other are rare: V8 has its own.
 */
const ONE_ARENA = { MALLOC_ARENA_MAX: "1" };
/** The code cache of this process, for its threads; undefined before {@link becomeLean}. */
let cacheFolder: string | undefined;

/** The environment of a thread that loads its modules from the same code cache. */
export const threadEnvironment = (): NodeJS.ProcessEnv =>
  cacheFolder === undefined ? process.env : { ...process.env, NODE_COMPILE_CACHE: cacheFolder };

/** In the environment of a process that has filled the cache already: it does not try again. */
const FILLED = "MICROTERM_CODE_CACHE_FILLED";

/**
 * Makes this process small, by starting it over in place (execve(2), the pid stays) with V8's flags for a small heap and
 * with a code cache in `folder`. Modules that come from there are stripped of their types already; Node's stripper takes
 * 20 MB which it never gives back, so that when it was needed (a new cache, changed sources) the process starts over once
 * more. `load` imports all that the program needs, `loadThreads` what its threads do. Resolves in the process that is to go on.
 */
export async function becomeLean(
  folder: string,
  load: () => Promise<unknown>,
  loadThreads: () => Promise<unknown>,
): Promise<void> {
  const cache = process.env.NODE_COMPILE_CACHE ?? folder;
  if (!process.execArgv.includes(SMALL_YOUNG_GENERATION)) {
    mkdirSync(cache, { recursive: true, mode: 0o700 });
    startOver({ ...ONE_ARENA, NODE_COMPILE_CACHE: cache });
  }
  await load();
  if (process.env[FILLED] === undefined && hasStripped()) {
    await loadThreads();
    flushCompileCache();
    startOver({ NODE_COMPILE_CACHE: cache, [FILLED]: "1" });
  }
  cacheFolder = process.env.NODE_COMPILE_CACHE;
  // Not for the processes that this one starts.
  delete process.env.NODE_COMPILE_CACHE;
  delete process.env.MALLOC_ARENA_MAX;
  delete process.env[FILLED];
}

/** Whether Node's type stripper has been loaded. */
function hasStripped(): boolean {
  const loaded = (process as { moduleLoadList?: readonly string[] }).moduleLoadList ?? [];
  return loaded.some((name) => name.includes("deps/amaro"));
}

function startOver(environment: Readonly<Record<string, string>>): never {
  if (process.execve === undefined) throw new Error("process.execve is missing: Node 24 is needed");
  const argv = [process.execPath, ...FLAGS, ...process.argv.slice(1)];
  return process.execve(process.execPath, argv, { ...process.env, ...environment } as NodeJS.ProcessEnv);
}
