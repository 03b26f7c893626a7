import { plainText } from "@microterm/protocol";
import { parseLocation } from "../copy/location.ts";
import { CliError, EXIT, say } from "../failure.ts";
import { connect, type ServerOptions } from "../server-address.ts";

/** Both directions, as `docker cp` has it. Exit code 1 when something had to be left out. */
export async function cp(sourceText: string, destinationText: string, options: ServerOptions): Promise<void> {
  const source = parseLocation(sourceText);
  const destination = parseLocation(destinationText);
  const onSkipped = (member: string, why: string) => {
    say(`microterm: left out ${plainText(member)}: it ${plainText(why)}`);
    process.exitCode = EXIT.failure;
  };
  if (source.kind === "local" && destination.kind === "remote") {
    const { upload } = await import("../copy/upload.ts");
    await upload({ client: connect(options), source: source.path, ...destination, onSkipped });
  } else if (source.kind === "remote" && destination.kind === "local") {
    const { download } = await import("../copy/download.ts");
    await download({ client: connect(options), ...source, destination: destination.path, onSkipped });
  } else if (source.kind === "remote") {
    throw new CliError("Both ends are inside environments.", { hint: "Copy to a folder here first, and from there." });
  } else {
    throw new CliError("Neither end is inside an environment.", { hint: "Write it as NAME:PATH." });
  }
}
