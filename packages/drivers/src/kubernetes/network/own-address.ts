import { createSocket } from "node:dgram";
import { isIPv6 } from "node:net";

/** Discard (RFC 863). Nothing is sent there. */
const ANY_PORT = 9;

/** From which of its addresses this host sends to another, as its routes are now: that of packets which nobody translates on their way. */
export function ownAddressTowards(address: string): Promise<string> {
  const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
  return new Promise<string>((resolve, reject) => {
    socket.once("error", reject);
    socket.once("connect", () => resolve(socket.address().address));
    socket.connect(ANY_PORT, address);
  }).finally(() => socket.close());
}
