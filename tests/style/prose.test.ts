/** Text for people is written and shown. Code that decides by it lets its author decide, and that may be a guest. */
import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";

const packages = resolve(import.meta.dirname, "../../packages");

/** An environment's reason, a template's, the pool's; not the reason that an AbortSignal carries. */
const REASON = String.raw`(?<!signal\??\.)\breason\b`;
const READS: readonly (readonly [string, RegExp])[] = [
  ["compares it", new RegExp(String.raw`${REASON}\s*[!=]==?(?![\s=]*(?:null|undefined)\b)`)],
  ["compares it", new RegExp(String.raw`[!=]==?\s*(?:[\w$]+[?!]?\.)*${REASON}`)],
  ["looks into it", new RegExp(String.raw`${REASON}[?!]?\.\w`)],
  ["takes it apart", new RegExp(String.raw`${REASON}(?:\?\.)?\[`)],
  ["searches it", new RegExp(String.raw`\.(?:test|exec|has|get|includes|indexOf)\([^()]*${REASON}`)],
  ["chooses by it", new RegExp(String.raw`(?:\w\[|switch \()(?:[\w$]+[?!]?\.)*${REASON}[\])]`)],
  ["searches words", /\.(?:message|text)[?!]?\.(?:includes|startsWith|endsWith|match|indexOf|search)\(/],
  ["searches words", /\.(?:test|exec)\([^()]*\.message\b/],
];

/** Reads them once, into columns. */
const SENTENCES_OF_BEFORE = "storage/src/migrations/0004-operations.ts";

function reads(source: string): string[] {
  const code = source.replace(/\/\*.*?\*\//gs, (comment) => comment.replace(/[^\n]/g, "")).replace(/(?<!:)\/\/.*/g, "");
  return code.split("\n").flatMap((line, n) => {
    const found = READS.find(([, pattern]) => pattern.test(line));
    return found === undefined ? [] : [`${n + 1} ${found[0]}: ${line.trim()}`];
  });
}

describe("prose", () => {
  it.each([
    'if (row.reason === "stopping") return;',
    'const isOn = "pausing" !== environment.reason;',
    "const is = row.reason === PAUSING;",
    'return reason?.includes("resumed after a restart") ?? false;',
    'word: reason?.startsWith("resume") ? "Resuming" : "Starting",',
    "const [step] = /^[a-z]+/.exec(now.reason) ?? [];",
    'if (/panic/i.test(environment.reason ?? "")) return;',
    "switch (environment.reason) {",
    "return WORDS[reason] ?? reason;",
    'const word = reason?.split(" ")[0];',
    'if (["stopping", "pausing"].includes(row.reason)) return;',
    'if (error.message.includes("ENOENT")) return;',
    'if (update.text.includes("corrupt")) tell(update.text);',
  ])("is read by %j", (line) => expect(reads(line)).toHaveLength(1));

  it.each([
    "const reason = row.reason === null ? undefined : row.reason;",
    "{environment.reason && <p>{sentence(environment.reason)}</p>}",
    "await rows.transition(id, [state], to, { reason, saveId: null });",
    "if (error === signal.reason) throw error;",
    'const why = reason ?? "no reason is known"; // reason === "not read"',
    '/** reason.startsWith("in a comment") */',
  ])("is not read by %j", (line) => expect(reads(line)).toEqual([]));

  it("is read by no code of server, page and command line, nor of what they are made of", () => {
    const found = ["core", "drivers", "protocol", "sdk", "server", "storage", "web", "cli"].flatMap((name) =>
      globSync(`${name}/src/**/*.{ts,tsx}`, { cwd: packages })
        .filter((file) => !/\.test\.ts$|\/testing\//.test(file) && file !== SENTENCES_OF_BEFORE)
        .flatMap((file) => reads(readFileSync(join(packages, file), "utf8")).map((breach) => `${file}:${breach}`)),
    );
    expect(found).toEqual([]);
  });
});
