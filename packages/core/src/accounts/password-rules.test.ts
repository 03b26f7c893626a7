import { NewPassword } from "@microterm/protocol";
import { describe, expect, it } from "vitest";
import { assertUncommon } from "./password-rules.ts";

const refused = expect.objectContaining({
  code: "BAD_REQUEST",
  details: { fields: [{ field: "password", message: expect.any(String) }] },
});

describe("a password", () => {
  it.each([
    "passwordpassword",
    "Password12345",
    "!!Administrator!!",
    "qwertyuiop123456",
    "iloveyou2026!",
    "123456789012",
    "1Q2W3E4R5T6Y",
    "aaaaaaaaaaaa",
    "ababababababab",
    "correcthorsebatterystaple",
    "annannannann",
    "ann-lee2026!!!",
  ])("that is tried first is refused: %s", (password) => {
    expect(() => assertUncommon(password, password.startsWith("ann-") ? "ann-lee" : "ann")).toThrow(refused);
  });

  it.each([
    "stapled-heron-under-6-lamps",
    "four words that stand alone",
    "пароль из нескольких слов",
    "8f3k2l9x0q1z",
    "пятьслонов 🐘🐘🐘🐘🐘",
    "anna went to the sea",
  ])("of another kind is taken, whatever it is composed of: %s", (password) => {
    expect(() => assertUncommon(password, "ann")).not.toThrow();
    expect(NewPassword.safeParse(password).success).toBe(true);
  });

  it("has 12 to 128 characters, however many bytes they take", () => {
    const fits = (password: string) => NewPassword.safeParse(password).success;
    expect([11, 12, 128, 129].map((length) => fits("🐘".repeat(length)))).toEqual([false, true, true, false]);
    expect(fits(`${"a".repeat(12)}\ud83d`)).toBe(false);
  });
});
