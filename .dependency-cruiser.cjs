/** Which folder may import which. The prose version is docs/architecture.md#layers. */
const pkg = (names) => `^packages/(${names})/`;
const ADAPTERS = "drivers|networks|storage";
/** One rule per layer: `from` may reach only itself and `may`. */
const layer = (from, may) => ({
  name: `layer-${from.split("|").length > 1 ? "adapters" : from}`,
  severity: "error",
  from: { path: `^packages/(${from})/` },
  to: { path: "^packages/", pathNot: ["^packages/$1/", ...(may ? [pkg(may)] : [])] },
});
module.exports = {
  forbidden: [
    { name: "no-circular", severity: "error", from: {}, to: { circular: true } },
    { name: "unresolvable", severity: "error", from: {}, to: { couldNotResolve: true } },
    layer("protocol"),
    layer("host", "protocol"),
    layer("core", "protocol"),
    layer("agent-client", "core|protocol|host"),
    layer("drivers", "core|protocol|host|agent-client"),
    layer("networks|storage", "core|protocol|host"),
    layer("images", "host"),
    layer("setup", "protocol|host|drivers|images|screen"),
    layer("screen", "protocol"),
    layer("server", `core|protocol|host|screen|${ADAPTERS}`),
    layer("sdk", "protocol"),
    layer("cli", "sdk|protocol"),
    layer("web", "sdk|protocol|screen"),
    {
      name: "compose-root-only",
      severity: "error",
      comment: "Adapters are chosen in one file.",
      from: { path: "^packages/server/", pathNot: "^packages/server/src/compose\\.ts$" },
      to: { path: pkg(ADAPTERS) },
    },
    {
      name: "drivers-are-independent",
      severity: "error",
      comment: "What those of one daemon share lies in host/, which knows none of them.",
      from: { path: "^packages/drivers/src/([^/]+)/" },
      to: { path: "^packages/drivers/src/[^/]+/", pathNot: "^packages/drivers/src/($1|host)/" },
    },
    {
      name: "machines-below-environments",
      severity: "error",
      comment: "What pool, templates and environments share lies in machines/, which knows none of them.",
      from: { path: "^packages/core/src/(machines|pool|templates|lifetime)/" },
      to: { path: "^packages/core/src/environments/" },
    },
    {
      name: "machines-know-no-user",
      severity: "error",
      from: { path: "^packages/core/src/machines/" },
      to: { path: "^packages/core/src/(pool|templates|lifetime)/" },
    },
    {
      name: "front-door-only",
      severity: "error",
      comment: "Use the package entry or its /testing or /text entry.",
      from: { path: "^packages/([^/]+)/" },
      to: { path: "^packages/[^/]+/src/", pathNot: ["^packages/$1/", "/src/((testing|text)/)?index\\.ts$"] },
    },
    {
      name: "pure-packages",
      severity: "error",
      // A screen's tests read what real programs printed; web/build belongs to Vite, which builds the page.
      from: {
        path: pkg("protocol|core|sdk|web|screen"),
        pathNot: "^packages/(screen/.*\\.test\\.ts$|web/build/)",
      },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "spawn-in-host",
      severity: "error",
      from: { path: "^packages/", pathNot: "^packages/(host|cli)/|\\.test\\.ts$" },
      to: { dependencyTypes: ["core"], path: "child_process" },
    },
    {
      name: "no-testing-in-product",
      severity: "error",
      from: { path: "^packages/", pathNot: "\\.test\\.ts$|/testing/" },
      to: { path: "\\.test\\.ts$|/src/testing/" },
    },
  ],
  options: {
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: true,
    doNotFollow: { path: "node_modules" },
    exclude: { path: "/dist/" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "types", "default"] },
  },
};
