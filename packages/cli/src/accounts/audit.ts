import {
  AuditAction,
  type AuditEntry,
  type AuditFilter,
  type AuditOutcome,
  MAX_AUDIT_PAGE,
  parseDuration,
  plainText,
} from "@microterm/protocol";
import { CliError, say } from "../failure.ts";
import { type Format, print } from "../output.ts";
import { connect, type ServerOptions } from "../server-address.ts";
import { parseCount, withinLimits } from "../sizes.ts";
import { writeFully } from "../streams.ts";
import { table } from "../verbs/ls.ts";

interface AuditOptions extends ServerOptions {
  readonly account?: string;
  readonly action?: string;
  readonly environment?: string;
  readonly outcome?: AuditOutcome;
  readonly address?: string;
  readonly from?: string;
  readonly to?: string;
  readonly lines: string;
  readonly output?: Exclude<Format, "name"> | "jsonl";
}

/** Prints the newest entries of the audit log, the oldest of them first; `jsonl` has all, the newest first. */
export async function audit({ output, lines, ...options }: AuditOptions): Promise<void> {
  const wanted = withinLimits(
    parseCount(lines, "--lines"),
    { min: 1, max: 100_000 },
    { option: "--lines", text: lines },
  );
  const filter = filterOf(options);
  const { audit: log } = connect(options);
  if (output === "jsonl") {
    for await (const bytes of (await log.export(filter)).body ?? []) await writeFully(process.stdout, bytes);
    return;
  }
  const entries: AuditEntry[] = [];
  for (let cursor: string | null | undefined; cursor !== null && entries.length < wanted; ) {
    const limit = Math.min(MAX_AUDIT_PAGE, wanted - entries.length);
    const page = await log.page(filter, { limit, ...(cursor === undefined ? {} : { cursor }) });
    entries.push(...page.entries);
    cursor = page.cursor;
  }
  entries.reverse();
  const heading = ["TIME", "ACTION", "OUTCOME", "ACCOUNT", "FROM", "ENVIRONMENT", "DETAILS"];
  await print(
    entries,
    { output },
    {
      text: () => (entries.length === 0 ? say("No entries.") : console.log(table([heading, ...entries.map(rowOf)]))),
    },
  );
}

function filterOf({
  account,
  action,
  environment,
  outcome,
  address,
  from,
  to,
}: Omit<AuditOptions, "lines">): AuditFilter {
  const known = AuditAction.safeParse(action);
  if (action !== undefined && !known.success) {
    throw new CliError(`--action ${action} is none of ${AuditAction.options.join(", ")}.`);
  }
  return {
    ...{ account, environment, outcome, address, action: known.data },
    ...{ from: timeOf("--from", from), to: timeOf("--to", to) },
  };
}

/** A time, or how long ago. */
function timeOf(option: string, text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const ago = parseDuration(text);
  if (ago !== null) return new Date(Date.now() - 1000 * ago).toISOString();
  const time = /^\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:\d\d))?$/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(time)) return new Date(time).toISOString();
  throw new CliError(`${option} ${text} is no time.`, {
    hint: `Write it like ${option} 24h, ${option} 2026-11-29 or ${option} 2026-11-29T10:00:00Z (UTC).`,
  });
}

/** What people, guests and programs have named is theirs: nothing in it acts upon the terminal. */
const shown = (text: string, max = 64): string => plainText(text, { layout: "spaced", max });

export function rowOf(entry: AuditEntry): readonly string[] {
  const { at, action, outcome, code, account, via, address, environment, target, count, detail } = entry;
  const named = (one: { readonly id: string; readonly name: string | null } | null): string =>
    one === null ? "-" : shown(one.name ?? one.id);
  const details = Object.entries(detail).map(
    ([name, value]) => `${name}=${shown(Array.isArray(value) ? JSON.stringify(value) : String(value), 200)}`,
  );
  return [
    at.replace(/\.\d+Z$/, "Z"),
    action,
    code === null ? outcome : `${outcome}: ${shown(code)}`,
    account === null && via === "server" ? "(server)" : named(account),
    address === null ? via : shown(address),
    named(environment),
    [...(target === null ? [] : [shown(target)]), ...details, ...(count > 1 ? [`${count} times`] : [])].join(" "),
  ];
}
