import { type OutputOptions, print } from "../output.ts";
import { connect } from "../server-address.ts";

export async function inspect(names: readonly string[], { output = "json", ...options }: OutputOptions): Promise<void> {
  const client = connect(options);
  const found = await Promise.all(names.map((name) => client.environments.get(name)));
  await print(found, { output }, { text: () => undefined });
}
