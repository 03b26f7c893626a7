import { expect, it } from "vitest";
import { kernelOf } from "./pod-kernel.ts";

const [ONE, OTHER] = ["6f1b4e0a-7f9e-4e56-9f3a-4d7b2f0c1a55", "0d3f8a53-b1a8-4f3f-9d3b-6b3c9e1f2a77"];

it("a pod with its node's boot_id is a container, and one with another is a virtual machine", () => {
  expect(kernelOf({ pod: ONE, node: ONE }, "kata")).toEqual({
    isVm: false,
    isolationReason: expect.stringContaining("'kata' are containers"),
  });
  expect(kernelOf({ pod: ONE, node: OTHER }, "kata")).toMatchObject({ isVm: true });
});

it("a pod counts as a container where its node may not be looked at", () => {
  expect(kernelOf({ pod: ONE, node: null }, null)).toEqual({
    isVm: false,
    isolationReason: expect.stringContaining("right to get nodes"),
  });
});
