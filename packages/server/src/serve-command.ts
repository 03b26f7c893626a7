import { join } from "node:path";
import { type Config, ConfigError, readConfig } from "./config.ts";
import { becomeLean } from "./process/lean-process.ts";
import { StartError } from "./process/start-error.ts";

/** Exit codes: 0 told to stop, 1 a fault, 2 a bad configuration, 3 could not start here (port, another server). */
export async function serveCommand(args: readonly string[]): Promise<void> {
  const config = readConfigOrExit(args);
  await becomeLean(
    join(config.data, "server/code-cache"),
    () => import("./serve.ts"),
    () => import("./terminal/screen/model-worker.ts"),
  );
  const { serve } = await import("./serve.ts");
  const server = await serve(config).catch((error: unknown) => {
    if (!(error instanceof StartError) && !isOutOfSpace(error)) throw error;
    const noSpace = `No space is left for ${config.data}. Free some, then try: ./microterm up`;
    process.stderr.write(`${error instanceof StartError ? error.message : noSpace}\n`);
    process.exit(3);
  });
  process.stdout.write(`${server.url}\n`);
  let isStopping = false;
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      // A second Ctrl-C does not wait.
      if (isStopping) process.exit(130);
      isStopping = true;
      void server.stop().then(() => process.exit(0));
    });
  }
}

function readConfigOrExit(args: readonly string[]): Config {
  try {
    return readConfig(args, process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(2);
  }
}

/** By the file system's word, or by the database's. */
function isOutOfSpace(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOSPC" || error.code === "HOST_OUT_OF_DISK");
}
