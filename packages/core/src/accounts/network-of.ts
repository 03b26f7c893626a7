/** One subscriber has a whole /64 of IPv6 addresses (RFC 6177). */
export function networkOf(address: string | null): string {
  if (address === null || !address.includes(":")) return address ?? "";
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped !== null) return mapped[1] ?? "";
  const [head = "", tail = ""] = address.split("::", 2);
  const groups = head.split(":").filter((group) => group !== "");
  const rest = tail.split(":").filter((group) => group !== "");
  // A compression stands for as many zeros as are missing to 8.
  const zeros = address.includes("::")
    ? Array.from({ length: Math.max(0, 8 - groups.length - rest.length) }, () => "0")
    : [];
  return [...groups, ...zeros, ...rest].slice(0, 4).join(":");
}
