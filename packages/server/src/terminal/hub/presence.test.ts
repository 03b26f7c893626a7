import { decodeServerFrame, type Presence } from "@microterm/protocol";
import { describe, expect, it, vi } from "vitest";
import { type PresentClient, type Seat, TerminalPresence } from "./presence.ts";

const seat = (over: Partial<Seat> = {}): Seat => ({
  ...{ grant: null, name: "ann", isVerified: true, isLookIn: false, role: "owner", isAsking: false, ...over },
});
const viewer = (number: number): Seat =>
  seat({ grant: String(number).padStart(12, "0"), name: `n${number}`, isVerified: false, role: "viewer" });

/** One that keeps what it is told. */
function listener(): PresentClient & { readonly told: Presence[] } {
  const told: Presence[] = [];
  return {
    told,
    present(frame) {
      const decoded = decodeServerFrame(frame);
      if (decoded.type === "presence") told.push(decoded.presence);
    },
  };
}

describe("presence", () => {
  it("is one person for all windows of one, with the most that they may do", async () => {
    const presence = new TerminalPresence();
    const [first, second, third] = [listener(), listener(), listener()];
    presence.join(first, seat({ role: "viewer" }), true);
    presence.join(second, seat(), true);
    presence.join(third, viewer(1), false);
    await vi.waitFor(() => expect(first.told.at(-1)?.count).toBe(2));
    expect(presence.current.people.map(({ name, role }) => [name, role])).toEqual([
      ["ann", "owner"],
      ["n1", "viewer"],
    ]);
    presence.leave(second);
    await vi.waitFor(() => expect(first.told.at(-1)?.people[0]?.role).toBe("viewer"));
    expect(third.told).toEqual([]);
    presence.close();
  });

  it("names some of hundreds, those who type or ask among them, and tells nothing twice", async () => {
    const presence = new TerminalPresence();
    const owner = listener();
    presence.join(owner, seat(), true);
    const viewers = Array.from({ length: 500 }, (_, number) => {
      const client = listener();
      presence.join(client, viewer(number), true);
      return client;
    });
    await vi.waitFor(() => expect(owner.told.at(-1)?.count).toBe(501), { timeout: 30_000 });
    expect(owner.told.at(-1)?.people).toHaveLength(64);
    const last = viewers.at(-1) as PresentClient;
    presence.change(last, { role: "viewer", isAsking: true });
    presence.change(viewers[0] as PresentClient, { role: "editor", isAsking: false });
    presence.typed(viewers[0] as PresentClient);
    const seen = () => owner.told.at(-1)?.people.slice(0, 3);
    await vi.waitFor(() => expect(seen()?.[2]?.isAsking).toBe(true), { timeout: 30_000 });
    expect(seen()?.map(({ name, isTyping }) => [name, isTyping])).toEqual([
      ["ann", false],
      ["n0", true],
      ["n499", false],
    ]);
    // By time alone; then nothing changes any more, and nothing is told.
    await vi.waitFor(() => expect(seen()?.[1]?.isTyping).toBe(false), { timeout: 30_000 });
    expect(owner.told.every((one, at) => at === 0 || JSON.stringify(one) !== JSON.stringify(owner.told[at - 1]))).toBe(
      true,
    );
    for (const client of viewers) presence.leave(client);
    await vi.waitFor(() => expect(owner.told.at(-1)?.count).toBe(1), { timeout: 30_000 });
    presence.close();
  });
});
