/** What the log's entries say, for a person. All of it may be somebody else's text. */
import type { AuditEntry, AuditOutcome } from "@microterm/protocol";
import { plainText } from "@microterm/protocol/text";

export const OUTCOMES: Readonly<Record<AuditOutcome, { readonly word: string; readonly tone: string }>> = {
  begun: { word: "Begun", tone: "text-muted" },
  done: { word: "Done", tone: "text-ok" },
  refused: { word: "Refused", tone: "text-warn" },
  failed: { word: "Failed", tone: "text-danger" },
};

/** Longer texts are cut: the export has them whole. */
const MAX = 200;

type Detail = AuditEntry["detail"][string];

const valueWords = (value: Detail): string => {
  if (Array.isArray(value)) return value.join(" ");
  return value === null ? "none" : String(value);
};

/** `role: member · uses: 1`. */
export const detailWords = (detail: AuditEntry["detail"]): string =>
  Object.entries(detail)
    .map(([key, value]) => plainText(`${key}: ${valueWords(value)}`, { max: MAX }))
    .join(" · ");

/** Who did it. */
export const actorWords = ({ account, via }: Pick<AuditEntry, "account" | "via">): string => {
  if (account !== null) return account.name ?? account.id;
  return via === "server" ? "the server" : "not signed in";
};

/** To what: the environment, or what else there was. */
export const targetWords = ({ environment, target }: Pick<AuditEntry, "environment" | "target">): string =>
  environment === null ? (target ?? "") : (environment.name ?? environment.id);
