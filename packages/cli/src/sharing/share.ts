import { type AttendedTerminal, type Person, plainText, type Share, type ShareRole } from "@microterm/protocol";
import { CliError, say } from "../failure.ts";
import { type OutputOptions, print } from "../output.ts";
import { connect, linkOrigin, type ServerOptions } from "../server-address.ts";
import { parseCount, parseSeconds } from "../sizes.ts";
import { table } from "../verbs/ls.ts";
import { durationWords } from "../words.ts";

export interface ShareOptions extends OutputOptions {
  readonly with?: string;
  readonly role?: ShareRole;
  readonly expires?: string;
  readonly uses?: string;
  readonly withoutAccount?: boolean;
  readonly scrollback?: boolean;
}

/** Shares the terminal that is named, or the only one. */
export async function share(name: string, terminal: string | undefined, options: ShareOptions): Promise<void> {
  const client = connect(options);
  const { role, uses, expires, withoutAccount, scrollback, with: account } = options;
  const made = await client.sharing.share(name, terminal ?? (await onlyTerminal(name, options)), {
    ...(role === undefined ? {} : { role }),
    ...(account === undefined ? {} : { account }),
    ...(expires === undefined ? {} : { ttlSeconds: parseSeconds(expires, "--expires") }),
    ...(uses === undefined ? {} : { uses: parseCount(uses, "--uses") }),
    ...(withoutAccount === true ? { withoutAccount } : {}),
    ...(scrollback === true ? { scrollback } : {}),
  });
  const url = made.path === null ? null : linkOrigin(options) + made.path;
  const text = (): void => {
    if (url !== null) console.log(url);
    if (made.role === "editor")
      say("Who is let in may type, and so do all that you may in this environment, as root too.");
    const left = durationWords(Date.parse(made.expiresAt) - Date.now());
    say(`It ends in ${left}, or with: ./microterm share rm ${name} ${made.id}`);
  };
  await print({ ...made, url }, options, { names: [made.id], text });
}

async function onlyTerminal(name: string, options: ServerOptions): Promise<string> {
  const terminals = (await connect(options).terminals.list(name)).filter(({ exit }) => exit === null);
  const [only, another] = terminals;
  if (only !== undefined && another === undefined) return only.id;
  if (only === undefined) throw new CliError(`${name} has no terminal.`, { hint: `./microterm attach ${name}` });
  throw new CliError(`${name} has several terminals: ${terminals.map(({ id }) => id).join(", ")}.`, {
    hint: `./microterm share ${name} ${only.id}`,
  });
}

export async function list(name: string | undefined, options: OutputOptions): Promise<void> {
  if (name === undefined) return listShared(options);
  const shares = await connect(options).sharing.list(name);
  await print(shares, options, {
    names: shares.map(({ id }) => id),
    text: () =>
      shares.length === 0 ? say(`Nothing of ${name} is shared.`) : console.log(sharesOf(shares, Date.now())),
  });
}

export function sharesOf(shares: readonly Share[], now: number): string {
  const rows = shares.map(({ id, kind, terminal, role, usesLeft, expiresAt, grants }) => [
    ...[id, terminal, kind, role, usesLeft === null ? "-" : String(usesLeft)],
    ...[`in ${durationWords(Date.parse(expiresAt) - now)}`, grants.map(nameOf).join(", ") || "-"],
  ]);
  return table([["SHARE", "TERMINAL", "KIND", "ROLE", "USES LEFT", "ENDS", "PEOPLE"], ...rows]);
}

async function listShared(options: OutputOptions): Promise<void> {
  const shared = await connect(options).sharing.shared();
  const now = Date.now();
  const rows = shared.map(({ id, owner, role, expiresAt }) => [
    ...[id, plainText(owner, { layout: "joined", max: 64 }), role, `in ${durationWords(Date.parse(expiresAt) - now)}`],
  ]);
  const text = (): void => {
    if (shared.length === 0) say("Nothing is shared with you. A link is opened in a browser.");
    else console.log(table([["ID", "OWNER", "ROLE", "ENDS"], ...rows]));
  };
  await print(shared, options, { names: shared.map(({ id }) => id), text });
}

export async function remove(name: string, shares: readonly string[], options: ServerOptions): Promise<void> {
  const { sharing } = connect(options);
  for (const one of shares) {
    await sharing.revoke(name, one);
    console.log(one);
  }
}

export async function terminals(name: string, options: OutputOptions): Promise<void> {
  const there = await connect(options).terminals.list(name);
  await print(there, options, { names: there.map(({ id }) => id), text: () => console.log(terminalsOf(there)) });
}

/** A line for each person at a terminal, and one for a terminal that nobody is at. */
export function terminalsOf(terminals: readonly AttendedTerminal[]): string {
  const rows = terminals.flatMap(({ id, cols, rows: height, exit, presence }): string[][] => {
    const first = [id, `${cols}x${height}`, exit === null ? "runs" : "ended"];
    const people = presence.people.map((person) => [...first, nameOf(person), doing(person)]);
    const more = presence.count - presence.people.length;
    if (more > 0) people.push([...first, `and ${more} more`, "-"]);
    return people.length === 0 ? [[...first, "-", "-"]] : people;
  });
  return table([["TERMINAL", "SIZE", "PROGRAM", "WHO", "DOES"], ...rows]);
}

/** What people call themselves is in quotation marks. */
const nameOf = ({ name, isVerified }: Pick<Person, "name" | "isVerified">): string => {
  if (name === null) return "without account";
  const plain = plainText(name, { layout: "joined", max: 64 });
  return isVerified ? plain : JSON.stringify(plain);
};

function doing({ role, isTyping, isAsking, isLookIn }: Person): string {
  if (isTyping) return `types (${role})`;
  if (isAsking) return "asks to type";
  return isLookIn ? "looks in (admin)" : role === "viewer" ? "looks on" : `may type (${role})`;
}
