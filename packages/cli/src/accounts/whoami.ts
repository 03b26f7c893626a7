import { plainText, printableJson } from "@microterm/protocol";
import { connect, type ServerOptions } from "../server-address.ts";

const VIA = {
  session: "a session",
  token: "a token",
  "data-folder": "the server's data folder",
} as const;

export async function whoami(options: ServerOptions & { readonly output?: "json" }): Promise<void> {
  const client = connect(options);
  const session = await client.session.current();
  if (options.output === "json") return console.log(printableJson(session));
  const { account, via, scopes } = session;
  console.log(`${plainText(account.name)} (${account.role}), by ${VIA[via]}, at ${client.url}`);
  if (scopes !== null) console.log(`Scopes: ${scopes.join(", ")}`);
}
