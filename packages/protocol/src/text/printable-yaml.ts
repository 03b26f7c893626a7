import { CONTROL, escapeControl } from "./plain-text.ts";

/**
 * YAML 1.2 that may be printed on a terminal whatever strings are in it; the same value when it is read again. The library is loaded
 * by the first call: few ask for it.
 */
export async function printableYaml(value: unknown): Promise<string> {
  const { Document, Scalar, visit } = await import("yaml");
  // As JSON has it: dates are text, and what is undefined is not there.
  const document = new Document(JSON.parse(JSON.stringify(value)), { aliasDuplicateObjects: false });
  visit(document, {
    // Only between quotation marks can a character be written as an escape.
    Scalar: (_, scalar) => {
      if (typeof scalar.value === "string" && scalar.value.search(CONTROL) !== -1) scalar.type = Scalar.QUOTE_DOUBLE;
    },
  });
  const text = document.toString({ lineWidth: 0, blockQuote: false });
  return text.trimEnd().replace(CONTROL, escapeControl);
}
