/** An entry of its own, without zod: who needs a text alone, as the screens' worker does, loads no schemas. */
export { createPlainStream, type PlainTextOptions, plainText } from "./plain-text.ts";
export { printableJson, printableJsonLine } from "./printable-json.ts";
export { printableYaml } from "./printable-yaml.ts";
