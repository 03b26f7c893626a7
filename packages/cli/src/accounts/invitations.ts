import { plainText, printableJson, type Role } from "@microterm/protocol";
import { say } from "../failure.ts";
import { connect, linkOrigin, type ServerOptions } from "../server-address.ts";
import { parseCount, parseSeconds } from "../sizes.ts";
import { table } from "../verbs/ls.ts";
import { timeText } from "./times.ts";

export interface InviteOptions extends ServerOptions {
  readonly role?: Role;
  readonly uses?: string;
  readonly expires?: string;
  readonly output?: "json";
}

export async function invite({ role, uses, expires, ...options }: InviteOptions): Promise<void> {
  const client = connect(options);
  const issued = await client.accounts.invite({
    ...(role === undefined ? {} : { role }),
    ...(uses === undefined ? {} : { uses: parseCount(uses, "--uses") }),
    ...(expires === undefined ? {} : { expiresInSeconds: parseSeconds(expires, "--expires") }),
  });
  const url = `${linkOrigin(options)}/invitation#${issued.code}`;
  const { code: _code, ...invitation } = issued;
  if (options.output === "json") return console.log(printableJson({ ...invitation, url }));
  console.log(url);
  const times = issued.usesLeft === 1 ? "one account" : `up to ${issued.usesLeft} accounts`;
  say(`It makes ${times} with the role ${issued.role}, until ${timeText(issued.expiresAt)}.`);
}

export async function list(options: ServerOptions & { readonly output?: "json" | "name" }): Promise<void> {
  const invitations = await connect(options).accounts.invitations();
  if (options.output === "json") return console.log(printableJson(invitations));
  if (options.output === "name") {
    for (const { id } of invitations) console.log(id);
    return;
  }
  const rows = invitations.map(({ id, role, usesLeft, createdBy, expiresAt }) => [
    ...[id, role, String(usesLeft), createdBy === null ? "-" : plainText(createdBy), timeText(expiresAt)],
  ]);
  console.log(table([["ID", "ROLE", "USES LEFT", "MADE BY", "EXPIRES"], ...rows]));
}

export async function withdraw(ids: readonly string[], options: ServerOptions): Promise<void> {
  const { accounts } = connect(options);
  for (const id of ids) {
    await accounts.withdrawInvitation(id);
    console.log(id);
  }
}
