import { expect, it } from "vitest";
import { ANSWERS } from "./daemon-answers.ts";

it("a daemon from before there were limits of processor time is understood, so that an update can end it", () => {
  const hello = {
    ...{ protocol: 1, version: "0.1.0", pid: 2, supervisorPid: 1, instance: "abcd1234", bootId: "boot", cgroup: "v1" },
    ...{ qemu: null, images: [] },
  };
  expect(ANSWERS.hello.parse(hello)).toEqual({ ...hello, limitsCpu: false });
});
