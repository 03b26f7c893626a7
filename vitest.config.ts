import { defineConfig } from "vitest/config";

/** A second, as `expect.poll` waits without this, is little on a loaded machine. */
const POLL_MS = 60_000;

/** One project a kind of test, so that `./microterm test unit` and the like can name them. */
const project = (name: string, include: readonly string[], options: Record<string, unknown> = {}) => ({
  test: { name, include: [...include], expect: { poll: { timeout: POLL_MS } }, ...options },
});

/**
 * Emulated guests, servers and a browser share a machine's cores with whatever else it does, and some of what they wait for is other
 * programs' doing. So one failed try is not yet a failure; but neither is it hidden: tests/reporter.ts prints each test that
 * passed only at its second try with what the first one said, and tests/run.ts lists them above its closing line.
 */
const twice = { retry: 1 } as const;

const ON_POSTGRES = [
  ...[
    "environments",
    "faults",
    "lifetime",
    "limits",
    "network",
    "previews",
    "quotas",
    "resume",
    "shared-networks",
    "credentials",
  ].map((name) => `tests/integration/core-${name}.test.ts`),
  "tests/integration/server-account-changes.test.ts",
  "tests/integration/server-environments.test.ts",
  "tests/integration/server-audit-people.test.ts",
  "tests/integration/server-identities.test.ts",
];

export default defineConfig({
  test: {
    projects: [
      project("unit", ["packages/*/src/**/*.test.ts"], {
        exclude: ["**/*.contract.test.ts"],
        // Many start processes, which takes a loaded machine seconds.
        testTimeout: 60_000,
        hookTimeout: 60_000,
      }),
      project("contract", ["packages/*/src/**/*.contract.test.ts"], {
        ...twice,
        testTimeout: 180_000,
        hookTimeout: 300_000,
        fileParallelism: false,
      }),
      project("style", ["tests/style/**/*.test.ts"], { testTimeout: 300_000 }),
      // Each test goes on for as long as its budget says.
      project("fuzz", ["tests/fuzz/**/*.test.ts"], { fileParallelism: false }),
      project("integration", ["tests/integration/**/*.test.ts"], {
        ...twice,
        testTimeout: 180_000,
        hookTimeout: 180_000,
        fileParallelism: false,
      }),
      // The same files as they are, on PostgreSQL: those that lean on the database most.
      project("integration-postgres", ON_POSTGRES, {
        ...twice,
        globalSetup: "support/postgres-run.ts",
        setupFiles: "support/postgres-file.ts",
        testTimeout: 180_000,
        hookTimeout: 180_000,
        fileParallelism: false,
      }),
      project("security", ["tests/security/**/*.test.ts"], {
        ...twice,
        testTimeout: 300_000,
        hookTimeout: 300_000,
        fileParallelism: false,
      }),
      project("vm", ["tests/vm/**/*.test.ts"], {
        ...twice,
        globalSetup: "support/built-image.ts",
        testTimeout: 300_000,
        hookTimeout: 300_000,
        fileParallelism: false,
      }),
      // Runs in the KVM lab alone, by tests/lab/machine/main.ts, where each guest is emulated and virtualised at once.
      project("lab", ["tests/lab/*.test.ts", "tests/security/jail.test.ts"], {
        ...twice,
        // main.ts reports why, where there is none.
        exclude: process.env.MICROTERM_FIRECRACKER === undefined ? ["tests/lab/firecracker*"] : [],
        testTimeout: 600_000,
        hookTimeout: 900_000,
        // Emulated, a file takes longer to be loaded than to be run.
        isolate: false,
        fileParallelism: false,
      }),
      // In the network of a real cluster alone: by support/cluster/run.ts.
      project("cluster", ["tests/cluster/**/*.test.ts"], {
        ...twice,
        testTimeout: 300_000,
        hookTimeout: 300_000,
        fileParallelism: false,
      }),
      project("e2e", ["tests/e2e/**/*.test.ts"], {
        ...twice,
        globalSetup: "support/built-page.ts",
        testTimeout: 300_000,
        hookTimeout: 300_000,
        fileParallelism: false,
      }),
    ],
  },
});
