import { type AuditDetails, MAX_AUDIT_LONG_TEXT, MAX_AUDIT_TEXT } from "@microterm/protocol";

/** Texts of people, guests and programs may be of any length. */
export function cutTexts(detail: object): object {
  const most = (key: string) => (key === "path" ? MAX_AUDIT_LONG_TEXT : MAX_AUDIT_TEXT);
  return Object.fromEntries(
    Object.entries(detail).map(([key, value]) => [key, typeof value === "string" ? value.slice(0, most(key)) : value]),
  );
}

/** Nothing of a command is kept but its program's name, unless `keepsArguments`: arguments carry secrets. */
export function programOf(command: readonly string[], keepsArguments: boolean): AuditDetails["exec"] {
  const [program = "", ...rest] = command;
  // A whole line for a shell, or a variable that was set before the program, is one word by mistake.
  const [first = ""] = program.trimStart().split(/[\s=]/, 1);
  const said = { program: first.slice(first.lastIndexOf("/") + 1), arguments: rest.length };
  return keepsArguments ? { ...said, argv: bounded(command) } : said;
}

/** Its first words, of {@link MAX_AUDIT_LONG_TEXT} together. An empty one counts as much as its quotes. */
function bounded(words: readonly string[]): string[] {
  const kept: string[] = [];
  let left = MAX_AUDIT_LONG_TEXT;
  for (const word of words) {
    if (left <= 0) break;
    kept.push(word.slice(0, left));
    left -= word.length + 2;
  }
  return kept;
}
