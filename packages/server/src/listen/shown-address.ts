import { isIP } from "node:net";

/** As a `Host` has it: `192.0.2.7:443`, `[2001:db8::7]:443`. */
export const shownAddress = ({ address, port }: { readonly address: string; readonly port: number }): string =>
  isIP(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`;
