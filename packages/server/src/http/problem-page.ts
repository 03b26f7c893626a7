import type { IncomingMessage } from "node:http";
import type { Problem } from "@microterm/protocol";

/** Below these are no pages for people. */
const FOR_PROGRAMS = /^\/(v1|assets)(\/|\?|$)/;

/** Whether a person looks at the answer: browsers ask for a page with `text/html`, programs and the page's own calls don't. */
export function wantsPage({ method, url, headers }: Pick<IncomingMessage, "method" | "url" | "headers">): boolean {
  if (method !== "GET" && method !== "HEAD") return false;
  return /\btext\/html\b/.test(headers.accept ?? "") && !FOR_PROGRAMS.test(url ?? "");
}

/** A problem as a page, in the words of the document that a program is sent. */
export function problemPage({ status, title, detail, hint, instance }: Problem): string {
  const [text, command] = splitCommand(detail);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)} · microterm</title>
<style>
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
  body { max-width: 40rem; margin: 15vh auto 0; padding: 0 1.5rem; overflow-wrap: anywhere; }
  h1 { font-size: 1.25rem; }
  code { display: block; padding: .75rem 1rem; border: 1px solid; border-radius: .375rem; font-family: ui-monospace, monospace; }
</style>
<main>
<h1>${escapeHtml(title)} (${status})</h1>
<p>${escapeHtml(text)}</p>
${command === null ? "" : `<code>${escapeHtml(command)}</code>\n`}${hint ? `<p>${escapeHtml(hint)}</p>\n` : ""}${status < 500 || !instance ? "" : `<p>${escapeHtml(instance)}</p>\n`}</main>
</html>
`;
}

/** The command that a message ends in, where it does. */
function splitCommand(detail: string): readonly [string, string | null] {
  const at = detail.lastIndexOf(" ./microterm ");
  return at === -1 ? [detail, null] : [detail.slice(0, at), detail.slice(at + 1)];
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
