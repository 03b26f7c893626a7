import { plainText } from "@microterm/protocol";
import { type OutputOptions, print } from "../output.ts";
import { connect } from "../server-address.ts";

const VIA = {
  session: "a session",
  token: "a token",
  "data-folder": "the server's data folder",
} as const;

export async function whoami(options: OutputOptions): Promise<void> {
  const client = connect(options);
  const session = await client.session.current();
  const { account, via, scopes } = session;
  const text = (): void => {
    console.log(`${plainText(account.name)} (${account.role}), by ${VIA[via]}, at ${client.url}`);
    if (scopes !== null) console.log(`Scopes: ${scopes.join(", ")}`);
  };
  await print(session, options, { names: [account.name], text });
}
