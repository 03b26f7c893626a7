import { Role, Scope } from "@microterm/protocol";
import { type Command, Option } from "commander";
import { dataOutput, output } from "../output.ts";
import { verb } from "../verb.ts";

const role = () => new Option("--role <role>", "what the account may do; member otherwise").choices(Role.options);

const TOKEN_HELP = `
Give it to programs as MICROTERM_TOKEN, with MICROTERM_URL. It never manages accounts' passwords, sessions and tokens.`;

/** Verbs for people: accounts, invitations, tokens, sessions. */
export function addAccountVerbs(program: Command): void {
  verb(program, "whoami", "show whose credential these commands use, and what it may do")
    .addOption(output())
    .action(async (options) => (await import("./whoami.ts")).whoami(options));
  addUserVerbs(program);
  addInvitationVerbs(program);
  const credentials = () => import("./credentials.ts");
  const token = program.command("token").summary("make, list and remove API tokens").description("API tokens");
  verb(token, "create", "make a token, which is shown this once")
    .argument("<label>", "what it is for, in a few words")
    .requiredOption("--scope <scope...>", `what it may do: ${Scope.options.join(", ")}`)
    .option("--expires <time>", "after that time, like 30d; 0 for never; 90d otherwise")
    .addOption(dataOutput())
    .addHelpText("after", TOKEN_HELP)
    .action(async (name, options) => (await credentials()).createToken(name, options));
  verb(token, "ls", "list tokens")
    .addOption(output())
    .action(async (options) => (await credentials()).listTokens(options));
  verb(token, "rm", "take tokens out of use, and close what they have opened")
    .argument("<token...>", "their ids")
    .action(async (ids, options) => (await credentials()).removeTokens(ids, options));
  const session = program.command("session").summary("list and end sessions of browsers").description("Sessions");
  verb(session, "ls", "list sessions")
    .addOption(output())
    .action(async (options) => (await credentials()).listSessions(options));
  verb(session, "rm", "end sessions, and close what they have opened")
    .argument("[session...]", "their ids")
    .option("--all", "every one there is")
    .action(async (ids, options) => (await credentials()).endSessions(ids, options));
}

function addUserVerbs(program: Command): void {
  const users = () => import("./users.ts");
  const user = program.command("user").summary("people's accounts, for admins").description("Accounts");
  verb(user, "add", "make an account, and print the link by which its password is set")
    .argument("<account>", "1 to 32 lower-case letters, digits, dots, hyphens and underscores")
    .addOption(role())
    .addOption(output())
    .action(async (name, options) => (await users()).add(name, options));
  verb(user, "ls", "list accounts")
    .addOption(output())
    .action(async (options) => (await users()).list(options));
  verb(user, "disable", "let accounts sign in no more; what they run is stopped after a while")
    .argument("<account...>")
    .option("--grace <time>", "how long it goes on to run; 24h otherwise")
    .action(async (names, options) => (await users()).disable(names, options));
  verb(user, "enable", "let accounts sign in again")
    .argument("<account...>")
    .action(async (names, options) => (await users()).enable(names, options));
  verb(user, "rm", "remove accounts that have no environments, or whose environments may go")
    .argument("<account...>")
    .option("--destroy", "with all environments that they have")
    .addOption(
      new Option("--transfer-to <account>", "once that account has all their environments").conflicts("destroy"),
    )
    .action(async (names, options) => (await users()).remove(names, options));
  verb(user, "role", "change what an account may do; its connections are closed")
    .argument("<account>")
    .addArgument(user.createArgument("<role>").choices(Role.options))
    .action(async (name, to, options) => (await users()).setRole(name, to, options));
  verb(user, "reset", "print a link that sets a new password once, and ends all sessions then")
    .argument("<account>")
    .addOption(output())
    .action(async (name, options) => (await users()).reset(name, options));
  verb(user, "link", "print a sign-in link for an account")
    .argument("<account>")
    .addOption(dataOutput())
    .action(async (name, options) => (await import("../verbs/open.ts")).open(undefined, { ...options, account: name }));
}

function addInvitationVerbs(program: Command): void {
  const invitations = () => import("./invitations.ts");
  const invite = verb(program, "invite", "print a link by which people make accounts for themselves")
    .addOption(role())
    .option("--uses <count>", "how many accounts can be made by it; 1 otherwise")
    .option("--expires <time>", "after that time, like 2d; 7d otherwise")
    .addOption(dataOutput())
    .action(async (options) => (await invitations()).invite(options));
  verb(invite, "ls", "list invitations that are open")
    .addOption(output())
    .action(async (options) => (await invitations()).list(options));
  verb(invite, "rm", "withdraw invitations")
    .argument("<invitation...>", "their ids")
    .action(async (ids, options) => (await invitations()).withdraw(ids, options));
}
