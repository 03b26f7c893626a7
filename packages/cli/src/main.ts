import { enableCompileCache } from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";
import { argv, env } from "node:process";

// Half of a verb's time is parsing and stripping modules. Not in /tmp, where others could plant code.
enableCompileCache(join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "microterm", "node"));
const { run } = await import("./program.ts");
await run(argv.slice(2));
