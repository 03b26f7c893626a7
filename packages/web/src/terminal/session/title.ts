import { plainText } from "@microterm/protocol/text";

/** Titles come from programs: text to show, never to trust. */
const MAX_TITLE = 80;

/** Without control characters, invisible and direction-changing ones (Unicode Bidi, UAX #9); at most 80 characters. */
export const sanitizeTitle = (title: string): string => {
  const clean = plainText(title.slice(0, 4096).normalize("NFC"), { layout: "joined" })
    .replace(/[\p{Cf}\p{Co}\p{Cs}]/gu, "")
    // More than two marks on one character reach into the lines around it.
    .replace(/(\p{M}{2})\p{M}+/gu, "$1")
    .replace(/\s+/gu, " ")
    .trim();
  const characters = [...clean];
  return characters.length > MAX_TITLE ? `${characters.slice(0, MAX_TITLE - 1).join("")}…` : clean;
};

/** The name of the environment comes last and can't be pushed out by a program's title. */
export const documentTitle = (title: string, environment: string): string => {
  const clean = sanitizeTitle(title);
  return clean === "" ? `${environment} · microterm` : `${clean} · ${environment} · microterm`;
};
