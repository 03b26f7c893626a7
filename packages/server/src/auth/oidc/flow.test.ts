import { describe, expect, it } from "vitest";
import { createFlows, FLOW_LIFETIME_MS, type Flows, secretsOf } from "./flow.ts";

const wish = { to: "/", link: null };
const stateOf = ({ flow }: ReturnType<Flows["begin"]>): string => secretsOf(flow).state;

describe("a sign-in that is under way", () => {
  it("is taken once, and in time", () => {
    let now = 1000;
    const flows = createFlows(() => now);
    const [one, late] = [flows.begin(wish), flows.begin(wish)];
    expect(flows.take(one.sealed, stateOf(one))).toEqual(one.flow);
    expect(flows.take(one.sealed, stateOf(one))).toBeNull();
    now += FLOW_LIFETIME_MS + 1;
    expect(flows.take(late.sealed, stateOf(late))).toBeNull();
  });

  it("is nothing when it was changed, or another process has sealed it", () => {
    const flows = createFlows(() => 1000);
    const begun = flows.begin(wish);
    const { flow, sealed } = begun;
    const [body = "", mac = ""] = sealed.split(".");
    const other = Buffer.from(JSON.stringify({ ...flow, to: "/e/x" })).toString("base64url");
    for (const text of ["", ".", body, `${other}.${mac}`, `${body}.${"A".repeat(43)}`, `${sealed}x`]) {
      expect(flows.take(text, stateOf(begun))).toBeNull();
    }
    expect(createFlows(() => 1000).take(sealed, stateOf(begun))).toBeNull();
    const key = new Uint8Array(32);
    const shared = createFlows(() => 1000, key).begin(wish);
    expect(createFlows(() => 1000, key).take(shared.sealed, stateOf(shared))).toEqual(shared.flow);
    for (const state of [null, "", stateOf(flows.begin(wish))]) expect(flows.take(sealed, state)).toBeNull();
    expect(flows.take(sealed, stateOf(begun))).toEqual(flow);
  });

  it("has a state, a nonce and a verifier of 256 bits each, which are its own", () => {
    const flows = createFlows(() => 1000);
    const all = [flows.begin(wish).flow, flows.begin(wish).flow].flatMap((flow) => [
      flow.secret,
      ...Object.values(secretsOf(flow)),
    ]);
    expect(new Set(all).size).toBe(8);
    // RFC 7636, 4.1.
    for (const text of all) expect(text).toMatch(/^[\w-]{43}$/);
  });
});
