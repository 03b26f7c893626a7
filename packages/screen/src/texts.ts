import { plainText } from "@microterm/protocol/text";

/** A text that a program set, as it is shown: at most `limit` UTF-16 units. */
export const printable = (text: string, limit: number): string => {
  const clean = plainText(text.slice(0, limit * 4), { layout: "joined" }).slice(0, limit);
  // Half of a pair may be left.
  return clean.toWellFormed().replace(/\ufffd$/, "");
};

/** The path of OSC 7 (`file://host/path`); null when it is anything else. */
export const pathOf = (data: string, limit: number): string | null => {
  const match = /^file:\/\/[^/]{0,255}(\/.*)$/s.exec(data.slice(0, limit * 3 + 300));
  if (match === null) return null;
  try {
    const path = decodeURIComponent(match[1] ?? "");
    return path.length <= limit && printable(path, limit) === path ? path : null;
  } catch {
    return null;
  }
};
