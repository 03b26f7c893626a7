import { ConfigError, readConfig } from "./config.ts";
import { type RunningServer, StartError, serve } from "./serve.ts";

/** Exit codes: 0 told to stop, 1 a fault, 2 a bad configuration, 3 could not start here (port, another server). */
export async function serveCommand(args: readonly string[]): Promise<void> {
  let server: RunningServer;
  try {
    server = await serve(readConfig(args, process.env));
  } catch (error) {
    if (!(error instanceof ConfigError || error instanceof StartError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(error instanceof ConfigError ? 2 : 3);
  }
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
