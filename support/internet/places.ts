/** Who has which address in the tests' own internet. Its names are of RFC 2606's domain for examples. */

/** The test host's, on its uplink, and its router's. */
export const HOST = "5.5.5.2";
export const ROUTER = "5.5.5.1";
export const NAME_SERVER = "8.8.8.8";

export const PLACES: Readonly<Record<string, string>> = {
  "web.example.org": "9.9.9.9",
  "git.example.org": "9.9.9.10",
  "pypi.packages.example.org": "9.9.9.11",
  "deb.packages.example.org": "9.9.9.12",
  "other.example.org": "1.2.3.4",
  /** A public name that leads into a private network. */
  "rebound.example.org": "10.9.9.9",
};

/** Each name of it has an address of its own, of the 254 of `MANY_PREFIX`; nothing answers there. */
export const MANY_DOMAIN = "many.example.org";
export const MANY_PREFIX = "9.9.10";

/** Not globally reachable (RFC 6890), or a cloud's metadata. They are there, and answer all that come through. */
export const FORBIDDEN: readonly string[] = [
  "10.9.9.9",
  "100.64.0.9",
  "100.100.100.200",
  "168.63.129.16",
  "169.254.169.254",
  "172.16.9.9",
  "192.0.2.9",
  "192.168.9.9",
  "198.18.0.9",
  "203.0.113.9",
];

export const ADDRESSES: readonly string[] = [...new Set([NAME_SERVER, ...Object.values(PLACES), ...FORBIDDEN])];

/** TCP and UDP, at every address (RFC 862). */
export const ECHO_PORT = 7;
