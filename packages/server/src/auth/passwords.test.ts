import { hash } from "@node-rs/argon2";
import { describe, expect, it } from "vitest";
import { createPasswords } from "./passwords.ts";

const PASSWORD = "stapled-heron-under-6-lamps";

describe("a password's hash", () => {
  it("is argon2id's with OWASP's parameters, another one each time", async () => {
    const passwords = createPasswords();
    const [one, other] = await Promise.all([passwords.hash(PASSWORD), passwords.hash(PASSWORD)]);
    expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(one).not.toBe(other);
    expect(await passwords.verify(one, PASSWORD, false)).toBe("right");
    expect(await passwords.verify(one, `${PASSWORD} `, false)).toBe("wrong");
    expect(await passwords.verify(null, PASSWORD, false)).toBe("wrong");
  });

  it("is told to be outdated when it is of other parameters", async () => {
    const older = await hash(PASSWORD, { memoryCost: 8192, timeCost: 1, parallelism: 1 });
    const passwords = createPasswords();
    expect(await passwords.verify(older, PASSWORD, false)).toBe("outdated");
    expect(await passwords.verify(older, "another", false)).toBe("wrong");
  });

  it("is the same for letters that keyboards compose differently", async () => {
    const passwords = createPasswords();
    expect(
      await passwords.verify(
        await passwords.hash("caf\u00e9 caf\u00e9 caf\u00e9"),
        "cafe\u0301 cafe\u0301 cafe\u0301",
        false,
      ),
    ).toBe("right");
  });
});

describe("many at once", () => {
  it("wait their turn up to a number, and who is known goes ahead", async () => {
    const passwords = createPasswords();
    const ended: string[] = [];
    const ask = (who: string, isUrgent: boolean) =>
      passwords.verify(null, PASSWORD, isUrgent).then(
        () => ended.push(who),
        (error: { code: string }) => ended.push(`${who}: ${error.code}`),
      );
    const others = Array.from({ length: 40 }, () => ask("unknown", false));
    await Promise.all([...others, ask("known", true)]);
    expect(ended.filter((one) => one === "unknown: TOO_MANY")).toHaveLength(6);
    // Last where nobody went ahead; on a busy host some of those that began with it end first.
    expect(ended.filter((one) => !one.includes(":")).indexOf("known")).toBeLessThan(17);
    // Nothing is left behind.
    expect(await passwords.verify(null, PASSWORD, false)).toBe("wrong");
  });
});
