/** Texts that programs set: shown to people, so nothing but printable characters passes. */

const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;
/** Marks that turn the reading order, and could make a title look like another. */
const TURNING = /[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** Without control characters, at most `limit` UTF-16 units. */
export const printable = (text: string, limit: number): string => {
  const clean = text
    .slice(0, limit * 4)
    .replace(CONTROL, "")
    .replace(TURNING, "")
    .slice(0, limit);
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
