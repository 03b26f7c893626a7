import { userInfo } from "node:os";
import { plainText, printableJson } from "@microterm/protocol";
import { say } from "../failure.ts";
import { connect, findServer, linkOrigin, type ServerOptions } from "../server-address.ts";

export interface OpenOptions extends ServerOptions {
  readonly output?: "json";
  /** The data folder's own when absent. */
  readonly account?: string;
}

export async function open(options: OpenOptions): Promise<void> {
  const client = connect(options);
  const { account, token, expiresAt } = await client.createLink(options.account);
  const { publicUrl } = findServer(options);
  const url = `${linkOrigin(options)}/sign-in#token=${token}`;
  if (options.output === "json") return console.log(printableJson({ account, url, expiresAt }));
  console.log(url);
  say(`It signs in as ${plainText(account.name)} (${account.role}), once, within 10 minutes.`);
  const line = publicUrl === null ? sshLine(client.url, process.env) : null;
  if (line !== null) say(`From your own machine, first: ${line}`);
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
