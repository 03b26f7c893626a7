/** Which file of a Rust crate imports which, and the circles among them. */
import { dirname, join, normalize } from "node:path/posix";
import { endOfBracket, tokensOf } from "./rust-tokens.ts";

/** Texts of a crate's files, by path below `src`. */
export type Sources = ReadonlyMap<string, string>;

/** `path` is as the source has it, resolved through what was imported. */
export interface Edge {
  readonly from: string;
  readonly to: string;
  readonly path: string;
}

interface Import {
  readonly segments: readonly string[];
  /** What it is called here; `*` for all of a module, `_` for nothing. */
  readonly name: string;
  readonly isReExport: boolean;
}

interface Module {
  readonly file: string;
  readonly parent: Module | null;
  readonly children: Map<string, Module>;
  readonly imports: Import[];
  readonly items: Set<string>;
  /** Paths in code. */
  readonly paths: string[][];
}

const ITEM = new Set(["fn", "struct", "enum", "trait", "type", "union", "static", "const"]);
const isName = (token: string | undefined): token is string => token !== undefined && /^[A-Za-z_]\w*$/.test(token);

/** Reads a `use` tree from behind the keyword; answers the index of what follows it. */
function readUse(
  tokens: readonly string[],
  from: number,
  add: (segments: readonly string[], name: string) => void,
): number {
  const tree = (at: number, prefix: readonly string[]): number => {
    const token = tokens[at];
    if (token === "::") return tree(at + 1, ["::"]);
    if (token === "*") {
      add(prefix, "*");
      return at + 1;
    }
    if (token === "{") {
      let next = at + 1;
      while (next < tokens.length && tokens[next] !== "}") next = tokens[next] === "," ? next + 1 : tree(next, prefix);
      return next + 1;
    }
    if (!isName(token)) return at + 1;
    const segments = token === "self" && prefix.length > 0 ? prefix : [...prefix, token];
    if (tokens[at + 1] === "::") return tree(at + 2, segments);
    const renamed = tokens[at + 1] === "as" ? tokens[at + 2] : undefined;
    add(segments, renamed ?? (segments.at(-1) as string));
    return renamed === undefined ? at + 1 : at + 3;
  };
  return tree(from, []);
}

/** Where `mod name;` of a file is looked for (Rust reference, "Module source filenames"). */
function filesOfChild(file: string, nesting: readonly string[], name: string): string[] {
  const isRootLike = /(^|\/)(mod|main|lib)\.rs$/.test(file) || /^bin\/[^/]+$/.test(file);
  const folder = join(isRootLike ? dirname(file) : file.replace(/\.rs$/, ""), ...nesting);
  return [join(folder, `${name}.rs`), join(folder, name, "mod.rs")];
}

function readModule(sources: Sources, file: string, parent: Module | null): Module {
  const make = (parent: Module | null): Module => {
    return { file, parent, children: new Map(), imports: [], items: new Set(), paths: [] };
  };
  const top = make(parent);
  /** Modules and other braces that are open. */
  const open: { readonly module: Module; readonly name: string | null }[] = [{ module: top, name: "" }];
  const tokens = tokensOf(sources.get(file) as string);
  let isPublic = false;
  let path: string | null = null;
  for (let at = 0; at < tokens.length; ) {
    const token = tokens[at] as string;
    const [next, after] = [tokens[at + 1], tokens[at + 2]];
    const { module, name: innermost } = open.at(-1) as (typeof open)[number];
    const isItemPlace = innermost !== null;
    if (token === "#" && next === "[") {
      const attribute = tokens.slice(at, endOfBracket(tokens, at + 1)).join("");
      path = /^#\[path="(.*)"\]$/.exec(attribute)?.[1] ?? path;
      at = endOfBracket(tokens, at + 1);
    } else if (token === "pub") {
      isPublic = true;
      at = next === "(" ? endOfBracket(tokens, at + 1) : at + 1;
    } else if (token === "use" && next !== "<") {
      const isReExport = isPublic;
      at = readUse(tokens, at + 1, (segments, name) => module.imports.push({ segments, name, isReExport }));
      isPublic = false;
    } else if (token === "mod" && isItemPlace && isName(next) && after === ";") {
      const nesting = open.flatMap(({ name }) => (name === null || name === "" ? [] : [name]));
      const files = path === null ? filesOfChild(file, nesting, next) : [normalize(join(dirname(file), path))];
      const found = files.find((candidate) => sources.has(candidate));
      if (found === undefined) throw new Error(`${file}: no file of module ${next}`);
      module.children.set(next, readModule(sources, found, module));
      [isPublic, path, at] = [false, null, at + 3];
    } else if (token === "mod" && isItemPlace && isName(next) && after === "{") {
      const child = make(module);
      module.children.set(next, child);
      open.push({ module: child, name: next });
      [isPublic, at] = [false, at + 3];
    } else if (token === "{") {
      open.push({ module, name: null });
      at += 1;
    } else if (token === "}") {
      if (open.length > 1) open.pop();
      at += 1;
    } else if (token === "::") {
      // Behind generics, or of another crate.
      at += 1;
      while (isName(tokens[at]) && tokens[at + 1] === "::") at += 2;
      if (isName(tokens[at])) at += 1;
    } else if (ITEM.has(token) && isItemPlace && isName(next) && !ITEM.has(next)) {
      module.items.add(next === "mut" ? (after as string) : next);
      [isPublic, at] = [false, at + 2];
    } else if (isName(token)) {
      const segments = [token];
      while (tokens[at + 1] === "::" && isName(tokens[at + 2])) {
        segments.push(tokens[at + 2] as string);
        at += 2;
      }
      if (segments.length > 1) module.paths.push(segments);
      at += 1;
    } else at += 1;
  }
  return top;
}

/** A module, or an item of a file. */
type Found = { readonly module: Module } | { readonly file: string };

/** `null` for what is of another crate. */
function resolve(from: Module, segments: readonly string[], seen: ReadonlySet<Import> = new Set()): Found | null {
  let at: Module = from;
  let rest = segments;
  if (segments[0] === "crate") {
    while (at.parent !== null) at = at.parent;
    rest = segments.slice(1);
  } else if (segments[0] === "self" || segments[0] === "super") {
    while (rest[0] === "self" || rest[0] === "super") {
      if (rest[0] === "super") at = at.parent ?? at;
      rest = rest.slice(1);
    }
  } else if (named(from, segments[0] as string, seen) === null) return null;
  for (const segment of rest) {
    const found = named(at, segment, seen);
    // A variant, or what a macro makes: all that is known of it is where it was asked for.
    if (found === null) return { file: at.file };
    if ("file" in found) return found;
    at = found.module;
  }
  return { module: at };
}

function named(module: Module, name: string, seen: ReadonlySet<Import>): Found | null {
  const child = module.children.get(name);
  if (child !== undefined) return { module: child };
  if (module.items.has(name)) return { file: module.file };
  for (const one of module.imports) {
    if (seen.has(one) || (one.name !== name && one.name !== "*")) continue;
    const target = resolve(module, one.segments, new Set([...seen, one]));
    if (target === null) continue;
    if (one.name === name) return target;
    const found = "module" in target ? named(target.module, name, new Set([...seen, one])) : null;
    if (found !== null) return found;
  }
  return null;
}

const fileOf = (found: Found) => ("module" in found ? found.module.file : found.file);

function isBelow(file: string, module: Module): boolean {
  return [...module.children.values()].some((child) => child.file === file || isBelow(file, child));
}

function edgesOf(module: Module): Edge[] {
  const edge = (segments: readonly string[]): Edge[] => {
    const found = resolve(module, segments);
    if (found === null || fileOf(found) === module.file) return [];
    return [{ from: module.file, to: fileOf(found), path: segments.join("::") }];
  };
  // What a module hands on of its children is where others find it, not what it depends on.
  const imports = module.imports.flatMap(({ segments, isReExport }) =>
    edge(segments).filter(({ to }) => !(isReExport && isBelow(to, module))),
  );
  return [...imports, ...module.paths.flatMap(edge), ...[...module.children.values()].flatMap(edgesOf)];
}

const filesOf = (module: Module): string[] => [module.file, ...[...module.children.values()].flatMap(filesOf)];

/** A crate's files that are no tests, and the imports among them. One edge for each pair. */
export function readCrate(sources: Sources): { files: string[]; edges: Edge[] } {
  const roots = [...sources.keys()].filter((file) => /^lib\.rs$|(^|\/)main\.rs$|^bin\/[^/]+\.rs$/.test(file));
  const modules = roots.map((root) => readModule(sources, root, null));
  const edges = new Map(modules.flatMap(edgesOf).map((one) => [`${one.from} ${one.to}`, one]));
  return { files: [...new Set(modules.flatMap(filesOf))], edges: [...edges.values()] };
}

/** Every strongly connected component of more than one file, as its edges. */
export function circles(edges: readonly Edge[]): Edge[][] {
  const next = Map.groupBy(edges, ({ from }) => from);
  const reach = (start: string): Set<string> => {
    const reached = new Set<string>();
    const due = [start];
    for (let file = due.pop(); file !== undefined; file = due.pop())
      for (const { to } of next.get(file) ?? [])
        if (!reached.has(to)) {
          reached.add(to);
          due.push(to);
        }
    return reached;
  };
  const reached = new Map([...next.keys()].map((file) => [file, reach(file)]));
  const isMutual = (one: string, other: string) =>
    (reached.get(one)?.has(other) ?? false) && (reached.get(other)?.has(one) ?? false);
  const inCircles = edges.filter(({ from, to }) => isMutual(from, to));
  const done = new Set<string>();
  return inCircles.flatMap(({ from }) => {
    if (done.has(from)) return [];
    const component = inCircles.filter((edge) => isMutual(edge.from, from));
    for (const edge of component) done.add(edge.from);
    return [component];
  });
}
