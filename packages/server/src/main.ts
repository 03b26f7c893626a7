/**
 * The server package's commands. To run a server without a microVM, for work on the page or the CLI:
 *
 *     (cd rust && cargo build --release -p microterm-agent)
 *     node packages/server/src/main.ts serve --driver process --agent rust/target/release/microterm-agent \
 *       --data "$(mktemp -d)" --port 7681 --log stdout
 *
 * `DATA/server/token` then holds a bearer token, `DATA/server/server.json` the address. A sign-in link for a browser:
 *
 *     curl -sX POST -H "Authorization: Bearer $(cat DATA/server/token)" http://127.0.0.1:7681/v1/links
 *
 * and open `http://127.0.0.1:7681/sign-in#token=TOKEN`.
 */
const COMMANDS: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = {
  "export-database": async (args) => (await import("./database-commands.ts")).exportCommand(args),
  "import-database": async (args) => (await import("./database-commands.ts")).importCommand(args),
  serve: async (args) => (await import("./serve-command.ts")).serveCommand(args),
};

const [name = "", ...args] = process.argv.slice(2);
const command = COMMANDS[name];
if (command === undefined) {
  process.stderr.write(`Unknown command '${name}'. There are: ${Object.keys(COMMANDS).join(", ")}\n`);
  process.exitCode = 2;
} else {
  await command(args);
}
