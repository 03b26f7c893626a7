/** As the API server writes amounts, in its canonical form (apimachinery, resource.Quantity). */
const QUANTITY = /^(\d+(?:\.\d+)?)(?:(Ki|Mi|Gi|Ti|Pi|Ei|m|k|M|G|T|P|E)|[eE](\d{1,2}))?$/;
const BINARY = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const DECIMAL = ["k", "M", "G", "T", "P", "E"];

/** `2Gi` in bytes; 0 for what is no amount. */
export function bytesOf(quantity: string): number {
  const [, digits, suffix = "", exponent = "0"] = QUANTITY.exec(quantity) ?? [];
  if (digits === undefined) return 0;
  const [binary, decimal] = [BINARY.indexOf(suffix), DECIMAL.indexOf(suffix)];
  if (binary >= 0) return Number(digits) * 1024 ** (binary + 1);
  if (decimal >= 0) return Number(digits) * 1000 ** (decimal + 1);
  return suffix === "m" ? Math.ceil(Number(digits) / 1000) : Number(digits) * 10 ** Number(exponent);
}
