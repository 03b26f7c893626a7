import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { guestCookie, secretsOf, withoutOurs } from "./cookie.ts";

const OURS = "microterm_preview_7681";
const secrets = (cookie: string) => secretsOf({ headers: { cookie } } as Parameters<typeof secretsOf>[0], OURS);

describe("our cookie", () => {
  it("is taken out of a request's, and the others stay as they are", () => {
    expect(withoutOurs(`a=1; ${OURS}=x; b="2;3"`, OURS)).toBe('a=1; b="2; 3"');
    expect(withoutOurs(`${OURS}=x`, OURS)).toBeNull();
    expect(withoutOurs(`${OURS}`, OURS)).toBeNull();
    expect(withoutOurs(` ${OURS} = x;${OURS}=y; ${OURS}2=z`, OURS)).toBe(`${OURS}2=z`);
    expect(secrets(`a=1; ${OURS}=x; ${OURS}=y`)).toEqual(["x", "y"]);
    expect(secrets(`${OURS}=x; `.repeat(100))).toHaveLength(4);
  });

  it("never reaches a program, whatever stands around it", () => {
    const piece = fc.oneof(fc.constantFrom(OURS, `${OURS}=secret`, ";", "=", " ", "\t", '"'), fc.string());
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const header = `${pieces.join("")}; ${OURS}=secret`;
        const left = withoutOurs(header, OURS) ?? "";
        expect(left.split(";").map((pair) => pair.split("=")[0]?.trim())).not.toContain(OURS);
      }),
    );
  });

  it.each([
    `${OURS}=evil`,
    ` ${OURS} =evil; Path=/`,
    `${OURS.toUpperCase()}=evil`,
    `=${OURS}=evil`,
    `${OURS}`,
    ` = ${OURS}=evil`,
  ])("is not a program's to set: %s", (header) => expect(guestCookie(header, OURS)).toBeNull());
});

it("a program's own cookies are kept to its origin", () => {
  expect(guestCookie("a=b; Domain=localhost; Path=/; Secure", OURS)).toBe("a=b; Path=/; Secure");
  expect(guestCookie("a=b;domain = .x; DOMAIN; HttpOnly", OURS)).toBe("a=b; HttpOnly");
  expect(guestCookie("a=domain; Path=/domain", OURS)).toBe("a=domain; Path=/domain");
  expect(guestCookie("plain", OURS)).toBe("plain");
});
