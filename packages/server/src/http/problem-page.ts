import type { IncomingMessage } from "node:http";
import type { Problem } from "@microterm/protocol";
import { messagePage } from "./message-page.ts";

/** Below these are no pages for people, but where a sign-in at a provider goes by. */
const FOR_PROGRAMS = /^\/(v1(?!\/sign-in\/oidc)|assets)(\/|\?|$)/;
/** Of a sign-in that led away from the page. */
const LEAD_BACK: ReadonlySet<string> = new Set([
  "PROVIDER_UNAVAILABLE",
  "PROVIDER_SIGN_IN_FAILED",
  "PROVIDER_SIGN_IN_CANCELLED",
  "PROVIDER_ACCOUNT_REFUSED",
]);

/** Whether a person looks at the answer: browsers ask for a page with `text/html`, programs and the page's own calls don't. */
export function wantsPage({ method, url, headers }: Pick<IncomingMessage, "method" | "url" | "headers">): boolean {
  if (method !== "GET" && method !== "HEAD") return false;
  return /\btext\/html\b/.test(headers.accept ?? "") && !FOR_PROGRAMS.test(url ?? "");
}

/** A problem as a page, in the words of the document that a program is sent. */
export function problemPage({ code, status, title, detail, hint, instance }: Problem): string {
  const [text, command] = splitCommand(detail);
  return messagePage({
    title: `${title} (${status})`,
    paragraphs: [text, hint, status < 500 ? "" : (instance ?? "")],
    ...(command === null ? {} : { command }),
    ...(LEAD_BACK.has(code) ? { link: { href: "/sign-in", text: "To the sign-in page" } } : {}),
  });
}

/** The command that a message ends in, where it does. */
function splitCommand(detail: string): readonly [string, string | null] {
  const at = detail.lastIndexOf(" ./microterm ");
  return at === -1 ? [detail, null] : [detail.slice(0, at), detail.slice(at + 1)];
}
