import { randomUUID } from "node:crypto";
import { type Environment, LIMITS, type Size } from "@microterm/protocol";
import { type Client, ConnectionError, RequestError } from "@microterm/sdk";
import { BootProgress } from "../boot-progress.ts";
import { onStderr } from "../colors.ts";
import { CliError, EXIT, say } from "../failure.ts";
import { type NetworkOptions, policyOf } from "../network-policy.ts";
import { type OutputOptions, print } from "../output.ts";
import { connect } from "../server-address.ts";
import { parseCount, parseMib, parseSeconds, within } from "../sizes.ts";

/** What an environment is to be like. */
export interface Wish extends NetworkOptions {
  readonly name?: string;
  readonly size?: Size;
  readonly memory?: string;
  readonly cpus?: string;
  readonly disk?: string;
  readonly idleTimeout?: string;
  readonly ttl?: string;
}

export type CreateOptions = OutputOptions & Wish;

/** A boot that hangs is given up by the server much earlier and tried once more; this is for a server that hangs. */
export const BOOT_TIMEOUT_MS = 300_000;

export async function create(options: CreateOptions): Promise<void> {
  const client = connect(options);
  const environment = await waitUntilRunning(client, await make(client, options));
  const { name } = environment;
  await print(environment, options, {
    names: [name],
    text: () => {
      console.log(name);
      if (process.stderr.isTTY) say(onStderr.dim(`Next: ./microterm attach ${name}`));
    },
  });
}

/** One that starts. Says where nothing would isolate it. */
export async function make(client: Client, options: Wish): Promise<Environment> {
  const made = await createOnce(client, wishOf(options));
  if (made.isolation === "emulated") {
    say(
      onStderr.yellow(
        "Emulated: there is no KVM here, so it is slow, and no security boundary: don't run untrusted code.",
      ),
    );
  }
  return made;
}

function wishOf(options: Wish): Parameters<Client["environments"]["create"]>[0] {
  const network = policyOf(options);
  return {
    ...(options.name === undefined ? {} : { name: options.name }),
    ...(options.size === undefined ? {} : { size: options.size }),
    ...(options.memory === undefined ? {} : { memoryMib: mib(options.memory, "--memory", LIMITS.memoryMib) }),
    ...(options.cpus === undefined
      ? {}
      : {
          cpus: within(parseCount(options.cpus, "--cpus"), LIMITS.cpus, { option: "--cpus", text: options.cpus }),
        }),
    ...(options.disk === undefined ? {} : { diskMib: mib(options.disk, "--disk", LIMITS.diskMib) }),
    ...(options.idleTimeout === undefined
      ? {}
      : { idleTimeoutSeconds: parseSeconds(options.idleTimeout, "--idle-timeout") }),
    ...(options.ttl === undefined ? {} : { ttlSeconds: parseSeconds(options.ttl, "--ttl") }),
    ...(network === undefined ? {} : { network }),
  };
}

const mib = (text: string, option: string, range: { readonly min: number; readonly max: number }): number =>
  within(parseMib(text, option), range, { option, text });

/** With a key, so that an answer lost on the way does not make a second environment. */
async function createOnce(client: Client, wish: Parameters<Client["environments"]["create"]>[0]): Promise<Environment> {
  const idempotencyKey = randomUUID();
  try {
    return await client.environments.create(wish, { idempotencyKey });
  } catch (error) {
    const isRefused =
      error instanceof ConnectionError &&
      (error.cause as { cause?: { code?: string } })?.cause?.code === "ECONNREFUSED";
    if (!(error instanceof ConnectionError) || isRefused) throw error;
    return client.environments.create(wish, { idempotencyKey });
  }
}

/**
 * Waits for a boot, with its steps shown on a terminal. Ctrl-C ends this process after `interrupted`, which says by default that the
 * environment goes on. @throws CliError with the reason when it fails.
 */
export async function waitUntilRunning(
  client: Client,
  environment: Environment,
  interrupted: () => void | Promise<void> = () =>
    say(`${environment.name} goes on starting. Remove it with: ./microterm rm ${environment.name}`),
): Promise<Environment> {
  const progress = new BootProgress(client, environment);
  const interrupt = async () => {
    progress.end();
    await interrupted();
    process.exit(EXIT.signalled + 2);
  };
  process.once("SIGINT", interrupt);
  try {
    const states = ["running", "paused"] as const;
    const reached = await client.environments.waitFor(environment.id, states, { timeoutMs: BOOT_TIMEOUT_MS });
    if (reached?.state !== "paused") return reached ?? environment;
    throw new CliError(`${reached.name} was not resumed: ${reached.reason ?? "no reason is known"}`, {
      hint: `./microterm resume ${reached.name}`,
    });
  } catch (error) {
    throw await failureOf(client, environment, error);
  } finally {
    process.off("SIGINT", interrupt);
    progress.end();
  }
}

async function failureOf(client: Client, environment: Environment, error: unknown): Promise<unknown> {
  if (!(error instanceof RequestError) || error.code !== "ENVIRONMENT_STATE") return error;
  const now = await client.environments.get(environment.id).catch(() => null);
  if (now?.state !== "failed") return error;
  return new CliError(`${now.name} did not start: ${now.reason ?? "no reason is known"}`, {
    hint: `./microterm logs ${now.name}`,
    cause: error,
  });
}
