/** What is wrong with what was typed into a form. */
import { AccountName, NewPassword, TokenName } from "@microterm/protocol";
import { RequestError } from "@microterm/sdk";
import { sentence } from "../words.ts";

/** By the field's name; empty: nothing. */
export type Faults = Readonly<Record<string, string>>;

export const NO_FAULTS: Faults = {};

type Schema = typeof AccountName | typeof NewPassword | typeof TokenName;
const EMPTY = "Fill this in.";

/** A field that has to have something in it. */
export const emptyFault = (text: string): string | null => (text === "" ? EMPTY : null);

const schemaFault = (schema: Schema, text: string): string | null => {
  if (text.trim() === "") return EMPTY;
  const { error } = schema.safeParse(text);
  return error ? sentence(error.issues[0]?.message ?? "This is not accepted") : null;
};

export const accountNameFault = (text: string): string | null => schemaFault(AccountName, text);
export const newPasswordFault = (text: string): string | null => schemaFault(NewPassword, text);
export const tokenNameFault = (text: string): string | null =>
  [...text.trim()].length > 64 ? "A name has 64 characters at most." : schemaFault(TokenName, text);

/** Those that there are. */
export const faultsOf = (found: Readonly<Record<string, string | null>>): Faults =>
  Object.fromEntries(Object.entries(found).filter((entry): entry is [string, string] => entry[1] !== null));

/** What the server has against single fields. `placeOf` names the field that a refusal as a whole belongs to. */
export const refusedFields = (error: unknown, placeOf: (code: string) => string | null): Faults => {
  if (!(error instanceof RequestError)) return NO_FAULTS;
  const place = placeOf(error.code);
  if (place !== null) return { [place]: sentence(error.message) };
  return Object.fromEntries((error.details.fields ?? []).map(({ field, message }) => [field, sentence(message)]));
};
