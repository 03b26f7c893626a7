import { type EnvironmentId, EnvironmentName, MAX_NETWORKS, type SharedNetwork } from "@microterm/protocol";

export interface Membership {
  /** The network that it is in. */
  readonly own: SharedNetwork | null;
  readonly others: readonly SharedNetwork[];
}

export function membershipOf(id: EnvironmentId, networks: readonly SharedNetwork[]): Membership {
  const own = networks.find(({ members }) => members.some((member) => member.id === id)) ?? null;
  return { own, others: networks.filter((network) => network !== own) };
}

/** The longer of the two names that members reach a member by; the other is its name alone. */
export const fullName = (member: string, network: string): string => `${member}.${network}.internal`;

const MOST_NAMED = 3;

/** `no members`, `db, web`, `db, web, api and 2 more`. */
export const membersWords = ({ members }: Pick<SharedNetwork, "members">): string => {
  if (members.length === 0) return "no members";
  const named = members.slice(0, MOST_NAMED).map(({ name }) => name);
  const rest = members.length - named.length;
  return named.join(", ") + (rest > 0 ? ` and ${rest} more` : "");
};

const ADDRESS = "its open connections end, also those to the internet; its terminals stay.";

/** What joining a network costs, in a sentence; null where it costs nothing. What does not run has no address to lose. */
export const joinWords = (own: string | null, isRunning: boolean): string | null => {
  if (own === null) return isRunning ? `Joining changes its address: ${ADDRESS}` : null;
  return `Joining another leaves ${own}${isRunning ? ` and changes its address: ${ADDRESS}` : "."}`;
};

export const leaveWords = (own: string, isRunning: boolean): string =>
  `Then it reaches no member of ${own}, and none reaches it.${isRunning ? ` Its address changes: ${ADDRESS}` : ""}`;

/** What to do about a name that was entered: join the network of that name, or make one first. */
export type Wish = { readonly join: SharedNetwork } | { readonly create: string } | { readonly fault: string };

export function wishOf(entered: string, { own, others }: Membership): Wish {
  const name = entered.trim();
  if (name === "") return { fault: "Enter a name, such as team." };
  if (name === own?.name) return { fault: `It is in ${name} already.` };
  const join = others.find((network) => network.name === name);
  if (join !== undefined) return { join };
  if (!EnvironmentName.safeParse(name).success) {
    return { fault: `“${name}” is no name: enter up to 32 of a–z, 0–9 and -, with no - at either end.` };
  }
  if (others.length + (own === null ? 0 : 1) >= MAX_NETWORKS) {
    return { fault: `There are ${MAX_NETWORKS} networks, which is the most: remove one without members first.` };
  }
  return { create: name };
}
