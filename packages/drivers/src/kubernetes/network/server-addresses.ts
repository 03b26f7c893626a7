import { ownAddressTowards } from "./own-address.ts";

/**
 * The addresses by which this server comes to its pods where it is no pod itself, so that policies can let it in. They are those of its
 * routes, one to the API server, which is known before there is a pod, and one to pods.
 */
export class ServerAddresses {
  readonly #apiServer: string | null;
  #towardsApi: string | null = null;
  #towardsPods: string | null = null;

  /** `apiServer`: its URL; null: the server is a pod, and found by its labels. */
  constructor(apiServer: string | null) {
    // An IPv6 address is in brackets there.
    this.#apiServer = apiServer === null ? null : new URL(apiServer).hostname.replace(/^\[|\]$/g, "");
  }

  /** Those that are known. */
  get known(): readonly string[] {
    const found = [this.#towardsApi, this.#towardsPods].filter((address) => address !== null);
    return [...new Set(found)];
  }

  /** As the routes are now. */
  async refresh(): Promise<void> {
    // Without a route the API server cannot be asked either, which says more.
    if (this.#apiServer !== null) this.#towardsApi = await ownAddressTowards(this.#apiServer).catch(() => null);
  }

  /** Resolves with whether the way to this pod is by an address that was not known. */
  async learn(podAddress: string): Promise<boolean> {
    if (this.#apiServer === null) return false;
    const before = this.known;
    this.#towardsPods = await ownAddressTowards(podAddress).catch(() => this.#towardsPods);
    return this.known.some((address) => !before.includes(address));
  }
}
