import { describe, expect, it } from "vitest";
import { resolvesLocalhost } from "./open-preview.ts";
import { withList } from "./with-list.ts";

const WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)";
const MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)";
const PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X)";

describe("names below localhost", () => {
  it.each([
    [`${MAC} ${WEBKIT} Version/18.0 Safari/605.1.15`, false],
    [`${PHONE} ${WEBKIT} Version/18.0 Mobile/15E148 Safari/604.1`, false],
    // Another browser by name alone.
    [`${PHONE} ${WEBKIT} CriOS/130.0 Mobile/15E148 Safari/604.1`, false],
    [`${MAC} AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36`, true],
    ["Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/130.0 Safari/537.36", true],
    ["Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0", true],
  ])("%s finds them: %s", (userAgent, finds) => expect(resolvesLocalhost(userAgent)).toBe(finds));
});

it("ports that begin to listen are new, those of before and those that went are not", () => {
  const list = (...ports: number[]) => ({ ports, truncated: false, previews: { kind: "localhost" } as const });
  let known = withList({ list: null, appeared: [] }, list(22));
  expect(known.appeared).toEqual([]);
  known = withList(known, list(22, 3000));
  known = withList(known, list(22, 3000, 8080));
  expect(known.appeared).toEqual([8080, 3000]);
  known = withList(known, list(22, 8080));
  known = withList(known, list(22, 3000, 8080));
  expect(known.appeared).toEqual([3000, 8080]);
});
