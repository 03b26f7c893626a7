import type { Environment } from "@microterm/protocol";
import { type Client, RequestError } from "@microterm/sdk";
import { BootProgress } from "../boot-progress.ts";
import { CliError } from "../failure.ts";
import { type OutputOptions, print } from "../output.ts";
import { connect } from "../server-address.ts";
import { noticeWords } from "../words.ts";
import { ask, canAsk, running } from "./confirm.ts";
import { BOOT_TIMEOUT_MS, waitUntilRunning } from "./create.ts";

/** A pause that fails leaves no state to wait for: it is looked at so often. */
const PAUSE_LOOK_MS = 1_000;

type Action = "stop" | "start" | "pause" | "resume";

/** `stop`, after a question on a terminal: a user who only wants to go on later wants `pause`. */
export async function stop(
  names: readonly string[],
  options: OutputOptions & { readonly force?: boolean },
): Promise<void> {
  const busy = options.force === true || !canAsk() ? [] : await running(connect(options), names);
  const question = `Programs run in ${busy.join(", ")}, and end with it; the disk is kept. Stop?`;
  const decision = busy.length === 0 ? "go" : await ask(question, { mayPause: true });
  if (decision === "no") throw new CliError("Nothing was stopped.");
  return power(decision === "pause" ? "pause" : "stop", names, options);
}

/** Asks for all, then waits for each. */
export async function power(action: Action, names: readonly string[], options: OutputOptions): Promise<void> {
  const client = connect(options);
  const asked = await Promise.all(names.map((name) => client.environments[action](name)));
  const reached: Environment[] = [];
  for (const environment of asked) reached.push(await waitForIts(action, client, environment));
  const all = reached.map(({ name }) => name);
  await print(reached, options, { names: all, text: () => console.log(all.join("\n")) });
}

async function waitForIts(action: Action, client: Client, environment: Environment): Promise<Environment> {
  switch (action) {
    case "start":
    case "resume":
      return waitUntilRunning(client, environment);
    case "stop": {
      const options = { timeoutMs: BOOT_TIMEOUT_MS };
      return (await client.environments.waitFor(environment.id, ["stopped"], options)) ?? environment;
    }
    case "pause":
      return waitUntilPaused(client, environment);
  }
}

/** It may also go on: then its notice says why. */
async function waitUntilPaused(client: Client, environment: Environment): Promise<Environment> {
  const progress = new BootProgress(client, environment);
  try {
    const deadline = Date.now() + BOOT_TIMEOUT_MS;
    for (let now = environment; ; now = await client.environments.get(environment.id)) {
      if (now.state === "paused") return now;
      if (now.state !== "running" || now.operation !== "pause") {
        const words =
          now.notice === null
            ? `${now.name} was not paused: it is ${now.state}`
            : noticeWords(now.name, now.notice, Date.now());
        throw new CliError(words, {
          hint: `./microterm stop ${now.name}, which keeps its disk`,
        });
      }
      if (Date.now() > deadline) throw new CliError(`${now.name} is still being paused.`);
      await client.environments.waitFor(environment.id, ["paused"], { timeoutMs: PAUSE_LOOK_MS }).catch(ignoreTimeout);
    }
  } finally {
    progress.end();
  }
}

function ignoreTimeout(error: unknown): null {
  if (error instanceof RequestError && (error.code === "WAIT_TIMEOUT" || error.code === "ENVIRONMENT_STATE"))
    return null;
  throw error;
}
