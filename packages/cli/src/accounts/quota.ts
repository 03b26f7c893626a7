import type { Quota, QuotaLimits, Quotas, Role } from "@microterm/protocol";
import { CliError, EXIT } from "../failure.ts";
import { type OutputOptions, print } from "../output.ts";
import { connect, type ServerOptions } from "../server-address.ts";
import { table } from "../verbs/ls.ts";
import { amountWords, LIMITS, parseLimits, type Wish } from "./limits.ts";

export async function quota(options: OutputOptions): Promise<void> {
  const own = await connect(options).quotas.own();
  await print(own, options, { text: () => console.log(linesOf(own)) });
}

export function linesOf({ limits, used, left, dayEndsAt }: Quota): string {
  const rows = Object.entries(LIMITS).map(([name, kind]) => [
    kind.unit === "hours" ? "hours a day" : name,
    amountWords(limits[kind.quota], kind),
    amountWords(used[kind.quota], kind),
    left[kind.quota] === null ? "-" : amountWords(left[kind.quota], kind),
  ]);
  const day = limits.hoursPerDay === null ? [] : [`The day ends at ${dayEndsAt.replace(/\.\d+Z$/, "Z")}.`];
  return [table([["QUOTA", "LIMIT", "USED", "LEFT"], ...rows]), ...day].join("\n");
}

export async function list(options: OutputOptions): Promise<void> {
  const quotas = await connect(options).quotas.all();
  await print(quotas, options, { text: () => console.log(tableOf(quotas)) });
}

/** A line for each role, then one for each account, with what it has of each limit. */
export function tableOf({ roles, accounts }: Quotas): string {
  const kinds = Object.entries(LIMITS);
  const ofRoles = Object.entries(roles).map(([role, limits]) => [
    role,
    "role",
    ...kinds.map(([, kind]) => (limits[kind.quota] === null ? "none" : amountWords(limits[kind.quota], kind))),
  ]);
  const ofAccounts = accounts.map(({ account, limits, used, isOwn }) => [
    account.name,
    isOwn ? "its own" : `as ${account.role}`,
    ...kinds.map(([, kind]) => {
      const has = amountWords(used[kind.quota], kind);
      return limits[kind.quota] === null ? has : `${has} of ${amountWords(limits[kind.quota], kind)}`;
    }),
  ]);
  return table([["NAME", "QUOTA", ...kinds.map(([name]) => name.toUpperCase())], ...ofRoles, ...ofAccounts]);
}

export interface SetOptions extends ServerOptions {
  readonly role?: Role;
  readonly user?: string;
}

export async function set(words: readonly string[], { role, user, ...options }: SetOptions): Promise<void> {
  if ((role === undefined) === (user === undefined)) {
    throw new CliError("quota set takes either --role or --user.", {
      hint: `./microterm quota set --role member ${words.join(" ")}`,
      exitCode: EXIT.usage,
    });
  }
  const wish = parseLimits(words);
  const { quotas } = connect(options);
  const { roles, accounts } = await quotas.all();
  if (role !== undefined) {
    if (wish === null) {
      throw new CliError("A role has no other quota to go back to.", { hint: "Name its limits, or 'none'." });
    }
    return quotas.setRole(role, { ...roles[role], ...wish });
  }
  const found =
    accounts.find(({ account }) => account.name === user) ?? accounts.find(({ account }) => account.id === user);
  if (found === undefined) {
    throw new CliError(`There is no account '${user}'.`, { hint: "./microterm quota ls" });
  }
  await quotas.setAccount(found.account.id, over(found.limits, wish));
}

const over = (limits: QuotaLimits, wish: Wish): QuotaLimits | null => (wish === null ? null : { ...limits, ...wish });
