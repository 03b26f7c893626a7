import { expect, it } from "vitest";
import { describeExposure, Exposure } from "./exposure.ts";

const EXPOSURE: Exposure = {
  publicUrl: "https://term.example.org",
  listen: "0.0.0.0:443",
  tls: "server",
  signIn: { hasPasswordAdmin: true, hasOidc: false },
};

it("says what is open, by which TLS, and to whom", () => {
  expect(describeExposure(EXPOSURE)).toBe(
    "https://term.example.org, listening at 0.0.0.0:443, TLS by its own certificate; may sign in: accounts with a password, anyone with a sign-in link",
  );
  const signIn = { hasPasswordAdmin: false, hasOidc: true };
  expect(describeExposure({ ...EXPOSURE, listen: null, tls: "proxy", signIn })).toMatch(
    /listening at 127\.0\.0\.1, TLS by a trusted proxy; may sign in: accounts of the OIDC provider, anyone/,
  );
});

it("is read from a file that others may have written", () => {
  expect(Exposure.parse(EXPOSURE)).toEqual(EXPOSURE);
  for (const wrong of [{ publicUrl: "http://a" }, { listen: "\u001b[2J" }, { tls: "none" }, { signIn: {} }])
    expect(Exposure.safeParse({ ...EXPOSURE, ...wrong }).success).toBe(false);
});
