/** What the page calls those who share a terminal. */
import type { Person, ShareRole } from "@microterm/protocol";

type Named = Pick<Person, "name" | "isVerified">;

/** For labels, as text alone: what people without an account call themselves is in quotation marks. */
export const personWords = ({ name, isVerified }: Named): string => {
  if (name === null) return "Somebody without an account";
  return isVerified ? name : `“${name}” (no account)`;
};

export const MAY_WORDS: Readonly<Record<ShareRole, string>> = { viewer: "looks on", editor: "may type" };

/** What somebody at a terminal does. */
export const doingWords = ({ role, isTyping, isAsking, isLookIn }: Person): string => {
  if (isLookIn) return "looks in, as an admin";
  if (isTyping) return "types";
  if (isAsking) return "asks to type";
  if (role === "owner") return "owns it";
  return MAY_WORDS[role];
};

/** Who types, as whom: said wherever somebody may be let type. */
export const EDITOR_WARNING =
  "Who types can do all that you can in this environment, as root too: sudo asks for no password.";
