import { plainText, Scope } from "@microterm/protocol";
import { CliError, EXIT, say } from "../failure.ts";
import { type OutputOptions, print } from "../output.ts";
import { connect, type ServerOptions } from "../server-address.ts";
import { parseSeconds } from "../sizes.ts";
import { table } from "../verbs/ls.ts";
import { timeText } from "./times.ts";

export interface TokenOptions extends OutputOptions {
  readonly scope: readonly string[];
  readonly expires?: string;
}

export async function createToken(name: string, { scope, expires, ...options }: TokenOptions): Promise<void> {
  const seconds = expires === undefined ? undefined : parseSeconds(expires, "--expires");
  const issued = await connect(options).account.createToken({
    ...{ name, scopes: scope.flatMap((text) => text.split(",")).map(parseScope) },
    ...(seconds === undefined ? {} : { expiresInSeconds: seconds === 0 ? null : seconds }),
  });
  const text = (): void => {
    console.log(issued.token);
    say(`It is shown this once. Its id is ${issued.id}, and it expires: ${timeText(issued.expiresAt)}.`);
  };
  await print(issued, options, { text });
}

function parseScope(text: string): Scope {
  const parsed = Scope.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new CliError(`--scope ${text} is none.`, {
    hint: `It is one of: ${Scope.options.join(", ")}.`,
    exitCode: EXIT.usage,
  });
}

export async function listTokens(options: OutputOptions): Promise<void> {
  const tokens = await connect(options).account.tokens();
  const rows = tokens.map(({ id, name, scopes, lastUsedAt, expiresAt }) => [
    ...[id, plainText(name), scopes?.join(",") ?? "all", timeText(lastUsedAt), timeText(expiresAt)],
  ]);
  const text = (): void => console.log(table([["ID", "NAME", "SCOPES", "LAST USED", "EXPIRES"], ...rows]));
  await print(tokens, options, { names: tokens.map(({ id }) => id), text });
}

export async function removeTokens(ids: readonly string[], options: ServerOptions): Promise<void> {
  const { account } = connect(options);
  for (const id of ids) {
    await account.removeToken(id);
    console.log(id);
  }
}

export async function listSessions(options: OutputOptions): Promise<void> {
  const sessions = await connect(options).account.sessions();
  const rows = sessions.map(({ id, device, address, lastUsedAt, expiresAt }) => [
    ...[id, device ?? "-", address ?? "-", timeText(lastUsedAt), timeText(expiresAt)],
  ]);
  const text = (): void => console.log(table([["ID", "DEVICE", "ADDRESS", "LAST USED", "EXPIRES"], ...rows]));
  await print(sessions, options, { names: sessions.map(({ id }) => id), text });
}

export async function endSessions(
  ids: readonly string[],
  options: ServerOptions & { readonly all?: boolean },
): Promise<void> {
  if ((options.all === true) === ids.length > 0) {
    throw new CliError("session rm takes either ids or --all.", {
      hint: "./microterm session ls",
      exitCode: EXIT.usage,
    });
  }
  const { account } = connect(options);
  if (options.all === true) return account.endOtherSessions();
  for (const id of ids) {
    await account.endSession(id);
    console.log(id);
  }
}
