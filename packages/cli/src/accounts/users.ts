import type { Account, ResetLink, Role } from "@microterm/protocol";
import { say } from "../failure.ts";
import { type OutputOptions, print } from "../output.ts";
import { connect, linkOrigin, type ServerOptions } from "../server-address.ts";
import { parseSeconds } from "../sizes.ts";
import { table } from "../verbs/ls.ts";
import { timeText } from "./times.ts";

export async function add(name: string, options: OutputOptions & { readonly role?: Role }): Promise<void> {
  const wish = options.role === undefined ? { name } : { name, role: options.role };
  await printReset(await connect(options).accounts.create(wish), options);
}

export async function reset(account: string, options: OutputOptions): Promise<void> {
  await printReset(await connect(options).accounts.createReset(account), options);
}

function printReset({ account, code, expiresAt }: ResetLink, options: OutputOptions): Promise<void> {
  const url = `${linkOrigin(options)}/reset#${code}`;
  const text = (): void => {
    console.log(url);
    say(`It sets a new password for ${account.name} (${account.role}) once, within 24 hours.`);
  };
  return print({ account, url, expiresAt }, options, { names: [account.name], text });
}

export async function list(options: OutputOptions): Promise<void> {
  const accounts = await connect(options).accounts.list();
  const heading = ["NAME", "ID", "ROLE", "STATE", "PASSWORD", "PROVIDER", "ENVIRONMENTS", "LAST SEEN"];
  await print(accounts, options, {
    names: accounts.map(({ name }) => name),
    text: () => console.log(table([heading, ...accounts.map(row)])),
  });
}

function row({ name, id, role, disabledAt, hasPassword, hasIdentity, environments, lastSeenAt }: Account): string[] {
  const state = disabledAt === null ? "enabled" : "disabled";
  const [password, provider] = [hasPassword, hasIdentity].map((has) => (has ? "yes" : "no"));
  return [name, id, role, state, password ?? "", provider ?? "", String(environments), timeText(lastSeenAt)];
}

export async function disable(
  names: readonly string[],
  options: ServerOptions & { readonly grace?: string },
): Promise<void> {
  const grace = options.grace === undefined ? {} : { graceSeconds: parseSeconds(options.grace, "--grace") };
  await each(names, options, (accounts, name) => accounts.update(name, { disabled: true, ...grace }));
}

export const enable = (names: readonly string[], options: ServerOptions): Promise<void> =>
  each(names, options, (accounts, name) => accounts.update(name, { disabled: false }));

interface RemoveOptions extends ServerOptions {
  readonly destroy?: boolean;
  readonly transferTo?: string;
}

export const remove = (names: readonly string[], { destroy, transferTo, ...options }: RemoveOptions): Promise<void> =>
  each(names, options, (accounts, name) => accounts.remove(name, { destroysEnvironments: destroy, transferTo }));

export const setRole = (name: string, role: Role, options: ServerOptions): Promise<void> =>
  each([name], options, (accounts) => accounts.update(name, { role }));

async function each(
  names: readonly string[],
  options: ServerOptions,
  act: (accounts: ReturnType<typeof connect>["accounts"], name: string) => Promise<unknown>,
): Promise<void> {
  const { accounts } = connect(options);
  for (const name of names) {
    await act(accounts, name);
    console.log(name);
  }
}
