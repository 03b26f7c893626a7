/** Which link targets may be opened: web and mail only, whatever a program printed. */
const ALLOWED: ReadonlySet<string> = new Set(["http:", "https:", "mailto:"]);
const MAX_TARGET = 2048;

/** The normalised target, with its real host in ASCII; null when it must not be opened. */
export const safeTarget = (text: string): string | null => {
  if (text.length > MAX_TARGET || !URL.canParse(text)) return null;
  const url = new URL(text);
  return ALLOWED.has(url.protocol) ? url.href : null;
};

export const openTarget = (text: string): void => {
  const target = safeTarget(text);
  if (target !== null) window.open(target, "_blank", "noopener,noreferrer");
};
