import { writeFile } from "node:fs/promises";
import { join } from "node:path";

export const CLIENT_SECRET = "the secret of this server at the provider";

/** The file of `--oidc`. */
export async function writeOidcFile(folder: string, issuer: string, over: object = {}): Promise<string> {
  const path = join(folder, "oidc.json");
  const file = { issuer, clientId: "microterm", clientSecret: CLIENT_SECRET, name: "Example SSO", ...over };
  await writeFile(path, JSON.stringify(file), { mode: 0o600 });
  return path;
}
