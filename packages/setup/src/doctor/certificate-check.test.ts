import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { makeKeyPair, type TestKeyPair } from "../../../../support/key-pair.ts";
import { makeTempFolder, type TempFolder } from "../../../../support/temp-folder.ts";
import { certificateCheck } from "./certificate-check.ts";

let folder: TempFolder;
let pair: TestKeyPair;
beforeAll(async () => {
  folder = await makeTempFolder();
  pair = makeKeyPair(folder.path, { names: ["DNS:a.example.org"], endsAt: "20300601000000Z" });
});
afterAll(() => folder.remove());

it("a certificate is looked at where there is one", () => {
  expect(certificateCheck(null)).toEqual([]);
  expect(certificateCheck(join(folder.path, "none"))[0]).toMatchObject({ status: "fail" });
  expect(certificateCheck(folder.path)[0]).toMatchObject({ status: "fail" });
  expect(certificateCheck(pair.key)[0]).toMatchObject({ status: "fail" });
});

it.each([
  ["2029-01-01", "ok", "is valid until 2030-06-01, for 516 days"],
  ["2030-05-20", "warn", "for 12 days"],
  ["2030-06-02", "fail", "has expired on 2030-06-01"],
  ["2019-06-02", "fail", "is valid from 2020-01-01T00:00:00.000Z only"],
])("on %s it is reported as %s", (day, status, text) => {
  const [check] = certificateCheck(pair.cert, new Date(day));
  expect([check?.status, check?.text]).toEqual([status, expect.stringContaining(text)]);
});
