import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";

const root = resolve(import.meta.dirname, "../..");
const cruiser = join(root, "node_modules/dependency-cruiser/bin/dependency-cruiser.mjs");

/** A small tree in which each file breaks one rule: a rule that finds nothing in it guards nothing. */
const BREACHES: readonly { rule: string; file: string; text: string }[] = [
  { rule: "layer-protocol", file: "packages/protocol/src/a.ts", text: 'import "../../core/src/index.ts";' },
  { rule: "layer-host", file: "packages/host/src/a.ts", text: 'import "../../server/src/index.ts";' },
  { rule: "layer-core", file: "packages/core/src/a.ts", text: 'import "../../storage/src/index.ts";' },
  { rule: "layer-agent-client", file: "packages/agent-client/src/a.ts", text: 'import "../../drivers/src/index.ts";' },
  { rule: "layer-drivers", file: "packages/drivers/src/qemu/b.ts", text: 'import "../../../storage/src/index.ts";' },
  { rule: "layer-adapters", file: "packages/storage/src/a.ts", text: 'import "../../drivers/src/index.ts";' },
  { rule: "layer-images", file: "packages/images/src/a.ts", text: 'import "../../drivers/src/index.ts";' },
  { rule: "layer-setup", file: "packages/setup/src/a.ts", text: 'import "../../server/src/index.ts";' },
  { rule: "layer-server", file: "packages/server/src/e.ts", text: 'import "../../images/src/index.ts";' },
  { rule: "layer-cli", file: "packages/cli/src/a.ts", text: 'import "../../core/src/index.ts";' },
  { rule: "layer-web", file: "packages/web/src/a.ts", text: 'import "../../core/src/index.ts";' },
  { rule: "layer-screen", file: "packages/screen/src/a.ts", text: 'import "../../core/src/index.ts";' },
  { rule: "layer-sdk", file: "packages/sdk/src/a.ts", text: 'import "../../host/src/index.ts";' },
  { rule: "compose-root-only", file: "packages/server/src/a.ts", text: 'import "../../drivers/src/index.ts";' },
  { rule: "drivers-are-independent", file: "packages/drivers/src/qemu/a.ts", text: 'import "../process/b.ts";' },
  { rule: "drivers-are-independent", file: "packages/drivers/src/host/a.ts", text: 'import "../process/b.ts";' },
  {
    rule: "machines-below-environments",
    file: "packages/core/src/pool/a.ts",
    text: 'import "../environments/inside.ts";',
  },
  { rule: "machines-know-no-user", file: "packages/core/src/machines/a.ts", text: 'import "../pool/a.ts";' },
  { rule: "front-door-only", file: "packages/server/src/b.ts", text: 'import "../../core/src/inside.ts";' },
  { rule: "pure-packages", file: "packages/core/src/b.ts", text: 'import "node:fs";' },
  { rule: "spawn-in-host", file: "packages/server/src/c.ts", text: 'import "node:child_process";' },
  { rule: "no-testing-in-product", file: "packages/server/src/d.ts", text: 'import "./d.test.ts";' },
  { rule: "no-circular", file: "packages/cli/src/b.ts", text: 'import "./c.ts";' },
];

const FILLERS: Readonly<Record<string, string>> = {
  "packages/drivers/src/process/b.ts": "export {};",
  "packages/core/src/inside.ts": "export {};",
  "packages/core/src/environments/inside.ts": "export {};",
  "packages/server/src/d.test.ts": "export {};",
  "packages/cli/src/c.ts": 'import "./b.ts";',
  "package.json": '{"type":"module"}',
  "tsconfig.json":
    '{"compilerOptions":{"module":"nodenext","moduleResolution":"nodenext","allowImportingTsExtensions":true,"noEmit":true}}',
  ...Object.fromEntries(
    ["core", "server", "storage", "drivers", "host", "images"].map((name) => [
      `packages/${name}/src/index.ts`,
      "export {};",
    ]),
  ),
};

/** That they hold in the tree itself is one of the static checks (tests/kinds.ts). */
describe("the layer rules", () => {
  it("each find a seeded breach", () => {
    const tree = mkdtempSync(join(tmpdir(), "microterm-breach-"));
    onTestFinished(() => rmSync(tree, { recursive: true }));
    for (const [file, text] of [...Object.entries(FILLERS), ...BREACHES.map((one) => [one.file, one.text] as const)]) {
      mkdirSync(dirname(join(tree, file)), { recursive: true });
      writeFileSync(join(tree, file), `${text}\n`);
    }
    const result = spawnSync(
      process.execPath,
      [cruiser, "--config", join(root, ".dependency-cruiser.cjs"), "--output-type", "json", "packages"],
      { cwd: tree, encoding: "utf8", maxBuffer: 1 << 26 },
    );
    const { summary } = JSON.parse(result.stdout) as {
      summary: { violations: { rule: { name: string }; from: string }[] };
    };
    const found = new Set(summary.violations.map((one) => `${one.rule.name} ${one.from}`));
    for (const { rule, file } of BREACHES) expect([...found]).toContain(`${rule} ${file}`);
  });

  it("make the platform's globals a type error in core and protocol", () => {
    const tree = mkdtempSync(join(tmpdir(), "microterm-breach-"));
    onTestFinished(() => rmSync(tree, { recursive: true }));
    writeFileSync(
      join(tree, "probe.ts"),
      "export const a = process.pid + document.title.length;\nsetTimeout(() => {}, 1);\n",
    );
    const config = { extends: join(root, "tsconfig.pure.json"), include: ["probe.ts"] };
    writeFileSync(join(tree, "tsconfig.json"), JSON.stringify(config));
    const tsc = join(root, "node_modules/typescript-native/bin/tsc");
    const { stdout } = spawnSync(process.execPath, [tsc, "-p", tree], { encoding: "utf8" });
    for (const name of ["process", "document", "setTimeout"])
      expect(stdout).toMatch(new RegExp(`Cannot find name '${name}'`));
  });
});
