import { expect, it } from "vitest";
import { DEFAULT_OVERCOMMIT, formatOvercommit, parseOvercommit } from "./overcommit.ts";

it("is read as it is written, what is not named by default", () => {
  expect(parseOvercommit("cpu=4,memory=1.5,disk=3")).toEqual({ cpu: 4, memory: 1.5, disk: 3 });
  expect(parseOvercommit("disk=2")).toEqual({ ...DEFAULT_OVERCOMMIT, disk: 2 });
  expect(parseOvercommit(formatOvercommit(DEFAULT_OVERCOMMIT))).toEqual(DEFAULT_OVERCOMMIT);
});

it.each(["", "2", "cpu", "cpu=", "cpu=0.5", "cpu=0", "cpu=101", "cpu=-2", "cpu=2,cpu=3", "gpu=2", "cpu=2,", "cpu=1e1"])(
  "is not %j",
  (text) => {
    expect(parseOvercommit(text)).toBeNull();
  },
);
