import type { Plugin, Rolldown } from "vite";

type Bundle = Rolldown.OutputBundle;

/** What a terminal needs beside the page itself, by module. */
const TERMINAL = [/\/src\/terminal\/pane\/terminal-pane\.tsx$/, /\/addon-webgl\//];
const FONTS = { page: /inter-latin-wght-normal/, terminal: /jetbrains-mono-latin-wght-normal/ };

const linkTo = (file: string): string => {
  if (file.endsWith(".css")) return `<link rel="preload" as="style" crossorigin href="/${file}" />`;
  if (file.endsWith(".woff2")) return `<link rel="preload" as="font" type="font/woff2" crossorigin href="/${file}" />`;
  return `<link rel="modulepreload" crossorigin href="/${file}" />`;
};

/** The file of a lazy part, with all that it imports and the styles of those. */
const filesOf = (bundle: Bundle, module: RegExp): string[] => {
  const found = new Set<string>();
  const visit = (file: string): void => {
    const chunk = bundle[file];
    if (found.has(file) || chunk?.type !== "chunk") return;
    found.add(file);
    for (const style of chunk.viteMetadata?.importedCss ?? []) found.add(style);
    for (const next of chunk.imports) visit(next);
  };
  const chunk = Object.values(bundle).find((one) => one.type === "chunk" && module.test(one.facadeModuleId ?? ""));
  if (chunk === undefined) throw new Error(`the page has no lazy part of ${module}`);
  visit(chunk.fileName);
  return [...found];
};

const fontOf = (bundle: Bundle, name: RegExp): string => {
  const file = Object.keys(bundle).find((one) => name.test(one));
  if (file === undefined) throw new Error(`the page has no font ${name}`);
  return file;
};

/**
 * Fonts and, for an environment's address, the terminal begin to load with the page and not after it. That is a document
 * of its own, `environment.html`: the list has no use for half a megabyte of terminal.
 */
export const preload = (): Plugin => ({
  name: "microterm-preload",
  apply: "build",
  enforce: "post",
  generateBundle(_, bundle) {
    const page = bundle["index.html"];
    if (page?.type !== "asset") throw new Error("the page has no index.html");
    const html = String(page.source);
    const withLinks = (files: readonly string[]): string => {
      const links = files.filter((file) => !html.includes(`"/${file}"`)).map(linkTo);
      return html.replace("</title>", `</title>\n    ${links.join("\n    ")}`);
    };
    const font = fontOf(bundle, FONTS.page);
    page.source = withLinks([font]);
    this.emitFile({
      type: "asset",
      fileName: "environment.html",
      source: withLinks([font, fontOf(bundle, FONTS.terminal), ...TERMINAL.flatMap((part) => filesOf(bundle, part))]),
    });
  },
});
