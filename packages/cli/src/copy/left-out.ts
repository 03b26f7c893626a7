import { LeftOutMember } from "@microterm/protocol";

/** Tells of what was not copied: `why` is how the sentence "it …" goes on. */
export type OnSkipped = (member: string, why: string) => void;

const PREFIX = "MICROTERM.left-out.";

/** Records by which an agent tells, at the end of a tar, what it could not read (docs/reference/agent-protocol.md). */
export function tellLeftOut(pax: Readonly<Record<string, string>>, onSkipped: OnSkipped): void {
  for (const [key, value] of Object.entries(pax)) {
    if (!key.startsWith(PREFIX)) continue;
    if (key === `${PREFIX}more`) {
      if (/^[1-9]\d{0,15}$/.test(value)) tellMore(Number(value), onSkipped);
      continue;
    }
    const leftOut = LeftOutMember.safeParse(parse(value));
    if (leftOut.success) onSkipped(leftOut.data.path, leftOut.data.reason);
    else onSkipped("something", "could not be read, and the environment did not say it well");
  }
}

export function tellMore(count: number, onSkipped: OnSkipped): void {
  if (count > 0) onSkipped(`${count} more`, "would take too long to name each");
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}
