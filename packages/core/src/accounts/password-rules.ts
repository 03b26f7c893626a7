import { PlatformError } from "@microterm/protocol";

/**
 * What people choose when twelve characters are asked for, as lists of leaked passwords have it. Words stand alone here: with digits and
 * signs around them, and several times after each other, they are refused all the same.
 */
const COMMON_WORDS =
  "password passwort passw0rd p@ssword p@ssw0rd pass changeme changeit letmein welcome iloveyou ilovedyou admin administrator root test " +
  "testing user guest login master secret default qwerty qwertyuiop qwertz azerty asdf asdfgh asdfghjkl zxcvbn zxcvbnm abc abcdef abcdefg " +
  "abcdefgh abcdefghijkl abcdefghijklm abcdefghijklmnopqrstuvwxyz qwertyuiopasdf qwertyuiopasdfghjkl football baseball basketball " +
  "superman batman dragon monkey princess sunshine shadow michael jordan liverpool chelsea arsenal barcelona manchester " +
  "manchesterunited christopher elizabeth alexander trustno computer internet microsoft linux ubuntu debian terminal microterm " +
  "summer winter spring autumn january february october november december monday starwars pokemon minecraft whatever " +
  "correcthorsebatterystaple thisisapassword mypassword yourpassword newpassword temppassword testpassword adminpassword";
const WORDS = new Set(COMMON_WORDS.split(" "));

/** Of digits and signs, or of both and letters. */
const COMMON_WHOLE = new Set(
  (
    "123456789012 1234567890123 12345678901234 1234567890123456 123456789123 123456789123456789 123123123123 112233445566 " +
    "987654321098 098765432109 0987654321098 012345678901 0123456789012 789456123000 147258369147 147852369000 " +
    "1q2w3e4r5t6y 1q2w3e4r5t6y7u 1qaz2wsx3edc 1qaz2wsx3edc4rfv qazwsxedcrfv q1w2e3r4t5y6 zaq12wsxcde3 !qaz2wsx3edc 1qaz@wsx3edc " +
    "a1b2c3d4e5f6 abc123abc123 qwe123qwe123 asd123asd123 aa123456789a !@#$%^&*()_+ qwertyuiop[]"
  ).split(" "),
);
/** Fewer different characters than this are typed without thinking. */
const FEWEST_CHARACTERS = 5;

/** Throws `BAD_REQUEST`, beside the field, for a password that others would try first. Its length is the schema's affair. */
export function assertUncommon(password: string, name: string): void {
  const lower = password.toLowerCase();
  const middle = lower.replace(/^[^\p{L}]+|[^\p{L}]+$/gu, "");
  const isCommon =
    COMMON_WHOLE.has(lower) ||
    new Set(lower).size < FEWEST_CHARACTERS ||
    [lower, middle].some((text) => WORDS.has(unrepeated(text)) || unrepeated(text) === name);
  if (!isCommon) return;
  const message =
    "this password is among those that are tried first: choose another, such as four words that do not belong together";
  throw new PlatformError("BAD_REQUEST", message, { details: { fields: [{ field: "password", message }] } });
}

/** The shortest text that it is a repetition of. */
function unrepeated(text: string): string {
  const at = `${text}${text}`.indexOf(text, 1);
  return text.slice(0, at);
}
