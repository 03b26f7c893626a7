/** A page of ours that says one thing, to a person whose browser asked for something else. */
export interface MessagePage {
  readonly title: string;
  /** Each may be empty. */
  readonly paragraphs: readonly string[];
  /** What to run, shown by itself. */
  readonly command?: string;
  readonly link?: { readonly href: string; readonly text: string };
}

/** Nothing of its texts is markup. */
export function messagePage({ title, paragraphs, command, link }: MessagePage): string {
  const [first = "", ...rest] = paragraphs.map((text) => (text === "" ? "" : `<p>${escapeHtml(text)}</p>\n`));
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
<h1>${escapeHtml(title)}</h1>
${first}${command === undefined ? "" : `<code>${escapeHtml(command)}</code>\n`}${rest.join("")}${link === undefined ? "" : `<p><a href="${escapeHtml(link.href)}">${escapeHtml(link.text)}</a></p>\n`}</main>
</html>
`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
