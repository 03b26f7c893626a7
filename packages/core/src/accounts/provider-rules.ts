import { AccountName, type Role } from "@microterm/protocol";

/** Whom an instance lets in of those that its provider knows. */
export interface ProviderRules {
  /** Of the provider, as the sign-in page shows it. */
  readonly name: string;
  /** Whose identities sign in here. */
  readonly issuer: string;
  /** Which of the provider's groups give a role; the highest one counts. Without any, roles are given here alone. */
  readonly groups: Readonly<Record<Role, readonly string[]>>;
  /** Of who is in none of the groups; null: they are not let in. */
  readonly defaultRole: Role | null;
}

/** Who somebody is, as the provider has proven. */
export interface ProvenIdentity {
  readonly issuer: string;
  /** Never given to anybody else by this issuer. */
  readonly subject: string;
  /** As the person is called there, which may change and may be somebody else's tomorrow; null: it does not say. */
  readonly name: string | null;
  readonly groups: readonly string[];
}

/** Whether the identities of `issuer` are the provider's: a slash at the end makes none another. */
export function isIssuer(rules: ProviderRules, issuer: string): boolean {
  const bare = (url: string): string => url.replace(/\/$/, "");
  return bare(issuer) === bare(rules.issuer);
}

const DESCENDING: readonly Role[] = ["admin", "member", "visitor"];

/** The role of who signs in with these groups; null: none, who is not let in. */
export function roleOfGroups({ groups, defaultRole }: ProviderRules, has: readonly string[]): Role | null {
  return DESCENDING.find((role) => groups[role].some((group) => has.includes(group))) ?? defaultRole;
}

/** Whether roles are the provider's affair. */
export const mapsGroups = ({ groups }: ProviderRules): boolean => DESCENDING.some((role) => groups[role].length > 0);

const LONGEST_NAME = 32;
/** More people of one name than that get one with random letters. */
const NUMBERED = 20;

/** Names for a new account, the best first: what it is called at the provider, made valid, and with numbers where that is taken. */
export function* accountNames(called: string | null, random: () => string): Generator<string> {
  const name = validName(called ?? "");
  yield name;
  for (let number = 2; number <= NUMBERED; number++) yield withSuffix(name, String(number));
  for (let tries = 0; tries < NUMBERED; tries++) yield withSuffix(name, random());
}

const withSuffix = (name: string, suffix: string): string =>
  `${name.slice(0, LONGEST_NAME - suffix.length - 1)}-${suffix}`;

/** Of an e-mail address what stands before the `@`; letters without their accents. */
function validName(called: string): string {
  const plain = called
    .slice(0, 256)
    .replace(/(?<=.)@.*$/su, "")
    .normalize("NFKD")
    .toLowerCase()
    .replaceAll(/\p{Mark}/gu, "")
    .replaceAll(/[^a-z0-9._-]+/g, "-")
    .replace(/^[^a-z]+/, "")
    .slice(0, LONGEST_NAME)
    .replace(/[^a-z0-9]+$/, "");
  return AccountName.safeParse(plain).data ?? "user";
}
