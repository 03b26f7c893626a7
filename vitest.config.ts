import { defineConfig } from "vitest/config";

/** One project a kind of test, so that `./microterm test unit` and the like can name them. */
const project = (name: string, include: readonly string[], options: Record<string, unknown> = {}) => ({
  test: { name, include: [...include], ...options },
});

export default defineConfig({
  test: {
    projects: [
      project("unit", ["packages/*/src/**/*.test.ts"], { exclude: ["**/*.contract.test.ts"] }),
      project("contract", ["packages/*/src/**/*.contract.test.ts"], { testTimeout: 60_000, fileParallelism: false }),
      project("style", ["tests/style/**/*.test.ts"], { testTimeout: 120_000 }),
      project("integration", ["tests/integration/**/*.test.ts"], {
        testTimeout: 120_000,
        hookTimeout: 120_000,
        fileParallelism: false,
      }),
      project("security", ["tests/security/**/*.test.ts"], {
        testTimeout: 120_000,
        hookTimeout: 300_000,
        fileParallelism: false,
      }),
      project("vm", ["tests/vm/**/*.test.ts"], { testTimeout: 300_000, hookTimeout: 300_000, fileParallelism: false }),
      project("e2e", ["tests/e2e/**/*.test.ts"], {
        testTimeout: 300_000,
        hookTimeout: 300_000,
        fileParallelism: false,
      }),
    ],
  },
});
