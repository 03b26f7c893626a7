import { createInterface } from "node:readline/promises";
import type { Client } from "@microterm/sdk";

/** What a person says to an act that ends programs. */
export type Decision = "go" | "pause" | "no";

/** Whether there is somebody to ask; a script has said what it means. */
export const canAsk = (): boolean => process.stdin.isTTY === true && process.stderr.isTTY === true;

/** Those of the environments in which programs run now. One that cannot be found is for the act itself to tell. */
export async function running(client: Client, references: readonly string[]): Promise<readonly string[]> {
  const found = await Promise.allSettled(references.map((reference) => client.environments.get(reference)));
  return found.flatMap((one) => (one.status === "fulfilled" && one.value.state === "running" ? [one.value.name] : []));
}

/** Asks on the terminal. Anything but a clear answer is a no. */
export async function ask(question: string, options: { readonly mayPause: boolean }): Promise<Decision> {
  const dialogue = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await dialogue.question(`${question} [y/N${options.mayPause ? "/p to pause instead" : ""}] `);
    return decide(answer, options);
  } finally {
    dialogue.close();
  }
}

export function decide(answer: string, { mayPause }: { readonly mayPause: boolean }): Decision {
  if (/^\s*y(es)?\s*$/i.test(answer)) return "go";
  return mayPause && /^\s*p(ause)?\s*$/i.test(answer) ? "pause" : "no";
}
