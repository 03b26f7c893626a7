import { PlatformError } from "@microterm/protocol";
import { expect, it } from "vitest";
import { explain } from "./postgres-errors.ts";

const failure = (code: string | undefined, message = "words") => Object.assign(new Error(message), code && { code });

it.each([
  ["ECONNREFUSED", true],
  ["ENOENT", true],
  ["EPIPE", true],
  ["EAI_AGAIN", true],
  ["SELF_SIGNED_CERT_IN_CHAIN", true],
  [undefined, true],
  ["57P01", true],
  ["57P03", true],
  ["53300", true],
  ["08006", true],
  ["28P01", true],
  ["3D000", true],
  ["25006", true],
  ["57014", false],
  ["55P03", false],
])("%s: the database cannot be used now; the connection is lost: %s", (code, isLost) => {
  expect(explain(failure(code))).toMatchObject({ error: { code: "DATABASE_UNAVAILABLE" }, isLost });
});

it("a full disk is the host's", () => {
  expect(explain(failure("53100"))).toMatchObject({ error: { code: "HOST_OUT_OF_DISK" }, isLost: false });
});

it.each([failure("23503"), failure("42601"), new TypeError("a bug"), new PlatformError("NAME_TAKEN", "taken")])(
  "what is of another kind stays as it is: %s",
  (error) => {
    expect(explain(error)).toEqual({ error, isLost: false });
  },
);
