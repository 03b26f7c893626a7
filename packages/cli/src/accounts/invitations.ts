import { plainText, type Role } from "@microterm/protocol";
import { say } from "../failure.ts";
import { type OutputOptions, print } from "../output.ts";
import { connect, linkOrigin, type ServerOptions } from "../server-address.ts";
import { parseCount, parseSeconds } from "../sizes.ts";
import { table } from "../verbs/ls.ts";
import { timeText } from "./times.ts";

export interface InviteOptions extends OutputOptions {
  readonly role?: Role;
  readonly uses?: string;
  readonly expires?: string;
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
  const times = issued.usesLeft === 1 ? "one account" : `up to ${issued.usesLeft} accounts`;
  const text = (): void => {
    console.log(url);
    say(`It makes ${times} with the role ${issued.role}, until ${timeText(issued.expiresAt)}.`);
  };
  await print({ ...invitation, url }, options, { text });
}

export async function list(options: OutputOptions): Promise<void> {
  const invitations = await connect(options).accounts.invitations();
  const rows = invitations.map(({ id, role, usesLeft, createdBy, expiresAt }) => [
    ...[id, role, String(usesLeft), createdBy === null ? "-" : plainText(createdBy), timeText(expiresAt)],
  ]);
  const text = (): void => console.log(table([["ID", "ROLE", "USES LEFT", "MADE BY", "EXPIRES"], ...rows]));
  await print(invitations, options, { names: invitations.map(({ id }) => id), text });
}

export async function withdraw(ids: readonly string[], options: ServerOptions): Promise<void> {
  const { accounts } = connect(options);
  for (const id of ids) {
    await accounts.withdrawInvitation(id);
    console.log(id);
  }
}
