/** Rust source as tokens, without what no module depends on: comments, literals and the code of tests. */

/** A path attribute's text is all that is kept of literals. */
const PATH_BEFORE = /\bpath\s*=\s*$/;
const LITERAL =
  /\/\/[^\n]*|\/\*|\b(?:b|c)?r(#*)"[\s\S]*?"\1|\b[bc]?"(?:\\[\s\S]|[^"\\])*"|"(?:\\[\s\S]|[^"\\])*"|b?'(?:\\(?:u\{[^}]*\}|x[0-9a-fA-F]{2}|.)|[^'\\\n])'/g;

/** Comments nest (Rust reference, "Comments"). */
function endOfComment(text: string, from: number): number {
  let depth = 1;
  const mark = /\/\*|\*\//g;
  mark.lastIndex = from;
  for (let found = mark.exec(text); found !== null; found = mark.exec(text)) {
    depth += found[0] === "/*" ? 1 : -1;
    if (depth === 0) return mark.lastIndex;
  }
  return text.length;
}

function withoutLiterals(text: string): string {
  let out = "";
  let at = 0;
  LITERAL.lastIndex = 0;
  for (let found = LITERAL.exec(text); found !== null; found = LITERAL.exec(text)) {
    out += text.slice(at, found.index);
    at = LITERAL.lastIndex;
    if (found[0] === "/*") at = endOfComment(text, at);
    else if (!found[0].startsWith("/")) out += PATH_BEFORE.test(out) ? found[0] : '""';
    LITERAL.lastIndex = at;
  }
  return out + text.slice(at);
}

const TOKEN = /"[^"]*"|(?:r#)?[A-Za-z_]\w*|::|'[a-z_]\w*|\S/g;
const OPENS = new Set(["{", "(", "["]);
const CLOSES = new Set(["}", ")", "]"]);

/** The index behind the bracket that closes the one at `from`. */
export function endOfBracket(tokens: readonly string[], from: number): number {
  let depth = 0;
  for (let at = from; at < tokens.length; at++) {
    const token = tokens[at] as string;
    if (OPENS.has(token)) depth += 1;
    else if (CLOSES.has(token)) depth -= 1;
    if (depth === 0) return at + 1;
  }
  return tokens.length;
}

const isAttribute = (tokens: readonly string[], at: number) => tokens[at] === "#" && tokens[at + 1] === "[";

/** Whether an attribute says `cfg(test)`, or `cfg(all(test, …))`. */
const isTestOnly = (tokens: readonly string[], at: number) =>
  /^cfg\((all\()?test[,)]/.test(tokens.slice(at + 2, at + 8).join(""));

/** The index behind the item whose attributes begin at `from`: behind its body, or its semicolon. */
function endOfItem(tokens: readonly string[], from: number): number {
  let at = from;
  while (isAttribute(tokens, at)) at = endOfBracket(tokens, at + 1);
  while (at < tokens.length) {
    const token = tokens[at] as string;
    if (token === ";") return at + 1;
    if (token === "{") return endOfBracket(tokens, at);
    at = OPENS.has(token) ? endOfBracket(tokens, at) : at + 1;
  }
  return at;
}

export function tokensOf(text: string): string[] {
  const all = (withoutLiterals(text).match(TOKEN) ?? []).map((token) => token.replace(/^r#/, ""));
  const kept: string[] = [];
  for (let at = 0; at < all.length; ) {
    if (isAttribute(all, at) && isTestOnly(all, at)) at = endOfItem(all, at);
    else kept.push(all[at++] as string);
  }
  return kept;
}
