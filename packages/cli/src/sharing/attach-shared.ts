import { plainText, type SharedTerminal } from "@microterm/protocol";
import { type Client, RequestError } from "@microterm/sdk";
import { CliError, say } from "../failure.ts";
import { AttachedScreen, exitAfter } from "../terminal/attached-screen.ts";
import { describeKeys } from "../terminal/detach-keys.ts";
import { durationWords, sharedRoleWords } from "../words.ts";

/** What is shared with the one who asks under this id, where `error` says that it is no environment of theirs. Rejects with it otherwise. */
export async function findShared(client: Client, id: string, error: unknown): Promise<SharedTerminal> {
  if (!(error instanceof RequestError && error.code === "ENVIRONMENT_NOT_FOUND")) throw error;
  // Some credentials may not ask, and what they were told of the environment is true for them.
  const found = (await client.sharing.shared().catch(() => [])).find((one) => one.id === id);
  if (found === undefined) throw error;
  return found;
}

/** A terminal of somebody else's, until the person leaves it or is let in no more. */
export async function attachShared(client: Client, shared: SharedTerminal, detachKeys: Uint8Array): Promise<never> {
  const { id, owner, role, expiresAt } = shared;
  const name = plainText(owner, { layout: "joined", max: 64 });
  const left = durationWords(Date.parse(expiresAt) - Date.now());
  say(
    `Attached to a terminal of ${name}, for ${left}: ${sharedRoleWords(role)}. Leave it with ${describeKeys(detachKeys)}.`,
  );
  const end = await new AttachedScreen({
    open: (request) => client.attachShared({ ...request, grant: id }),
    ...{ detachKeys, isShared: true },
  }).run();
  const what = `terminal of ${name}`;
  if (end.kind !== "gone") return exitAfter(end, { from: `the ${what}`, what, again: `./microterm attach ${id}` });
  throw new CliError(closedWords({ owner: name, expiresAt }, end.error?.message ?? end.reason, Date.now()), {
    hint: "'./microterm share ls' lists what others share with you.",
  });
}

/** `reason`: the server's. */
export function closedWords(
  { owner, expiresAt }: Pick<SharedTerminal, "owner" | "expiresAt">,
  reason: string,
  now: number,
): string {
  const why = now < Date.parse(expiresAt) ? plainText(reason).replace(/\.$/, "") : "the time of the share is over";
  return `The terminal of ${owner} is closed to you: ${why}.`;
}
