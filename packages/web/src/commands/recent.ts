/** What was used last in the palette, in this browser. */
const KEY = "microterm.palette";
const KEPT = 8;

export const recentIds = (): readonly string[] => {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(kept) ? kept.filter((id) => typeof id === "string").slice(0, KEPT) : [];
  } catch {
    return [];
  }
};

export const noteUse = (id: string): void => {
  try {
    localStorage.setItem(KEY, JSON.stringify([id, ...recentIds().filter((one) => one !== id)].slice(0, KEPT)));
  } catch {
    // Forgotten with this visit.
  }
};
