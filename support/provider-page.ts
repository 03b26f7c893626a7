/** A server of another site than its provider's, over TLS, and a browser that trusts its certificate. */
import { createHash, X509Certificate } from "node:crypto";
import type { Browser } from "playwright-core";
import { builtPage } from "./built-page.ts";
import { makeKeyPair } from "./key-pair.ts";
import { freePort } from "./nginx.ts";
import { writeOidcFile } from "./oidc-file.ts";
import { startOidcProvider, type TestProvider } from "./oidc-provider.ts";
import { launchBrowser } from "./page.ts";
import { startServer, type TestServer } from "./server.ts";
import { makeTempFolder } from "./temp-folder.ts";

const ADDRESS = "127.0.0.2";

export interface ProviderPage {
  /** The server's public URL. */
  readonly origin: string;
  readonly server: TestServer;
  readonly provider: TestProvider;
  readonly browser: Browser;
  /** Ends all of it. Rejects when a process is left. */
  close(): Promise<void>;
}

/** `args` are the server's, besides those for TLS and the provider; `dev` is the provider's group of members. */
export async function startProviderPage(args: readonly string[] = []): Promise<ProviderPage> {
  const folder = await makeTempFolder();
  const web = await builtPage();
  const provider = await startOidcProvider();
  const pair = makeKeyPair(folder.path, { names: ["DNS:term.example.org"] });
  const port = await freePort(ADDRESS);
  const origin = `https://term.example.org:${port}`;
  provider.redirectUris.add(`${origin}/v1/sign-in/oidc/callback`);
  const tls = ["--listen", `${ADDRESS}:${port}`, "--tls-cert", pair.cert, "--tls-key", pair.key];
  const oidc = await writeOidcFile(folder.path, provider.issuer, { groups: { member: ["dev"] } });
  const all = ["--web", web.path, ...tls, "--public-url", origin, "--oidc", oidc, ...args];
  const server = await startServer({ args: all });
  const publicKey = new X509Certificate(pair.ca).publicKey.export({ type: "spki", format: "der" });
  const browser = await launchBrowser([
    `--host-resolver-rules=MAP term.example.org ${ADDRESS}`,
    `--ignore-certificate-errors-spki-list=${createHash("sha256").update(publicKey).digest("base64")}`,
  ]);
  return {
    ...{ origin, server, provider, browser },
    async close() {
      await browser.close();
      const left = await server.dispose();
      await provider.close();
      await web.remove();
      await folder.remove();
      if (left.length > 0) throw new Error(`left behind: ${left.join(", ")}`);
    },
  };
}
