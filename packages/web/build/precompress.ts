import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import type { Plugin } from "vite";

/** Fonts are compressed already. */
const COMPRESSIBLE = /\.(?:js|css|html|svg)$/;

const encode = {
  ".br": (bytes: Buffer) =>
    promisify(brotliCompress)(bytes, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
        [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
      },
    }),
  ".gz": (bytes: Buffer) => promisify(gzip)(bytes, { level: constants.Z_BEST_COMPRESSION }),
} as const;

/** Writes each file once more in brotli and in gzip, as small as they get: the server compresses nothing at request time. */
export const precompress = (): Plugin => {
  let outDir = "";
  return {
    name: "microterm-precompress",
    apply: "build",
    configResolved({ root, build }) {
      outDir = join(root, build.outDir);
      if (build.outDir.startsWith("/")) outDir = build.outDir;
    },
    async closeBundle() {
      const names = await readdir(outDir, { recursive: true });
      const compress = async (name: string): Promise<void> => {
        const bytes = await readFile(join(outDir, name));
        for (const [suffix, to] of Object.entries(encode))
          await writeFile(join(outDir, name + suffix), await to(bytes));
      };
      await Promise.all(names.filter((name) => COMPRESSIBLE.test(name)).map(compress));
    },
  };
};
