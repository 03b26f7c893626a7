import { createPlainStream } from "@microterm/protocol";
import { connect, type ServerOptions } from "../server-address.ts";
import { writeFully } from "../streams.ts";

/** Raw bytes into a pipe or file; on a terminal as text, without the guest's control sequences. */
export async function logs(name: string, options: ServerOptions & { readonly follow?: boolean }): Promise<void> {
  const response = await connect(options).environments.logs(name, { follow: options.follow === true });
  const text = process.stdout.isTTY ? createPlainStream() : null;
  let isEmpty = true;
  for await (const bytes of response.body ?? []) {
    isEmpty &&= bytes.length === 0;
    await writeFully(process.stdout, text === null ? bytes : text(bytes));
  }
  if (isEmpty)
    process.stderr.write("The console is empty: a guest that started from a snapshot has not printed its boot.\n");
}
