import { expect, it } from "vitest";
import { shapeOf } from "./shape.ts";

it.each([
  [{}, [512, 1, 2048, "medium"]],
  [{ size: "small" }, [256, 1, 2048, "small"]],
  [{ memoryMib: 1024, cpus: 2 }, [1024, 2, 2048, "large"]],
  [{ memoryMib: 256 }, [256, 1, 2048, "small"]],
  [{ size: "large", cpus: 1 }, [1024, 1, 2048, null]],
  [{ size: "small", memoryMib: 512 }, [512, 1, 2048, "medium"]],
  [{ diskMib: 4096 }, [512, 1, 4096, null]],
] as const)("%j is %j", (request, [memoryMib, cpus, diskMib, size]) => {
  expect(shapeOf(request)).toEqual({ memoryMib, cpus, diskMib, size });
});
