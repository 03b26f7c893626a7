import { userInfo } from "node:os";
import { plainText } from "@microterm/protocol";
import { say } from "../failure.ts";
import { type OutputOptions, print } from "../output.ts";
import { connect, findServer, linkOrigin } from "../server-address.ts";

export interface OpenOptions extends OutputOptions {
  /** The data folder's own when absent. */
  readonly account?: string;
}

/** Prints a link that signs in, and leads to an environment where one is named. */
export async function open(name: string | undefined, options: OpenOptions): Promise<void> {
  const client = connect(options);
  const page = name === undefined ? null : `/e/${(await client.environments.get(name)).id}`;
  if (page !== null && process.env.MICROTERM_URL) {
    // A link that signs in is the data folder's alone to make.
    const url = linkOrigin(options) + page;
    return print({ url }, options, { text: () => console.log(url) });
  }
  const { account, token, expiresAt } = await client.createLink(options.account);
  const { publicUrl } = findServer(options);
  const url = `${linkOrigin(options)}/sign-in${page === null ? "" : `?to=${page}`}#token=${token}`;
  const text = (): void => {
    console.log(url);
    say(`It signs in as ${plainText(account.name)} (${account.role}), once, within 10 minutes.`);
    const line = publicUrl === null ? sshLine(client.url, process.env) : null;
    if (line !== null) say(`From your own machine, first: ${line}`);
  };
  await print({ account, url, expiresAt }, options, { text });
}

/** The tunnel that brings a loopback address to the far end of an SSH session; null outside of one. */
export function sshLine(url: string, env: Readonly<Record<string, string | undefined>>): string | null {
  // "client-address client-port server-address server-port", see ssh(1), ENVIRONMENT.
  const [, , host, sshPort] = env.SSH_CONNECTION?.split(" ") ?? [];
  if (host === undefined || sshPort === undefined) return null;
  const port = new URL(url).port || "80";
  const option = sshPort === "22" ? "" : `-p ${sshPort} `;
  return `ssh ${option}-L ${port}:127.0.0.1:${port} ${userInfo().username}@${host}`;
}
