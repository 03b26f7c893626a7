import { AuditOutcome, Role, ShareRole, Size } from "@microterm/protocol";
import { Argument, Command, CommanderError, Option } from "commander";
import { addAccountVerbs } from "./accounts/account-verbs.ts";
import { EXIT, fail } from "./failure.ts";
import { dataOutput, output } from "./output.ts";
import { verb } from "./verb.ts";

const collect = (value: string, all: readonly string[] = []) => [...all, value];

const networkMode = () =>
  new Option("--network <mode>", "what it may reach: nothing, or the internet").choices(["none", "open"]);

/** What an environment is to be like. */
const withWish = (command: Command): Command =>
  command
    .option("--name <name>", "1 to 32 lower-case letters, digits and hyphens; one is made up otherwise")
    .addOption(
      new Option("--size <size>", "memory and CPUs that start at once; medium otherwise").choices(Size.options),
    )
    .option("--memory <size>", "like 512m or 2g; numbers of your own boot, which takes longer")
    .option("--cpus <count>", "how many CPUs")
    .option("--disk <size>", "like 4g")
    .option("--idle-timeout <time>", "pause it after 30m or 8h without use; 0 for never")
    .option("--ttl <time>", "remove it after that time; 0 for never")
    .addOption(networkMode())
    .option("--allow <rule>", "reach this alone, such as github.com:443; may be repeated", collect);

/** How a command runs in it. */
const withStreams = (command: Command): Command =>
  command
    .option("-i, --interactive", "pass on standard input")
    .option("-t, --tty", "give the command a terminal")
    .option("-e, --env <K=V>", "set a variable; K alone takes it from here", collect)
    .option("-w, --workdir <dir>", "where to run it")
    .addHelpText(
      "after",
      "\nExit codes: the command's own; 128 + n after signal n; 127 not found, 126 not executable, 125 ours.",
    );

const COMPLETION_HELP = `print what makes a shell complete these verbs

bash:  source <(./microterm completion bash)
zsh:   source <(./microterm completion zsh)
fish:  ./microterm completion fish | source`;

const NETWORK_HELP = `
An environment that is called like one of these commands is shown by its id. Members of a network reach each other
under any policy, by NAME and NAME.NETWORK.internal.`;

function addNetworkVerbs(program: Command): void {
  const network = verb(program, "network", "show what an environment may reach, or share networks between environments")
    .argument("<name>", "an environment")
    .addOption(dataOutput())
    .addHelpText("after", NETWORK_HELP)
    .action(async (name, options) => (await import("./verbs/network.ts")).network(name, options));
  const shared = () => import("./networks/shared-networks.ts");
  verb(network, "create", "make a network that environments can share")
    .argument("<network>", "1 to 32 lower-case letters, digits and hyphens")
    .addOption(output())
    .action(async (name, options) => (await shared()).create(name, options));
  verb(network, "ls", "list shared networks, their members and addresses")
    .addOption(output())
    .action(async (options) => (await shared()).list(options));
  verb(network, "rm", "remove shared networks that have no members")
    .argument("<network...>")
    .action(async (names, options) => (await shared()).remove(names, options));
  verb(network, "join", "have environments be in a shared network; those that run get another address at once")
    .argument("<network>")
    .argument("<name...>", "environments")
    .action(async (name, environments, options) => (await shared()).join(name, environments, options));
  verb(network, "leave", "have environments be in their own networks alone")
    .argument("<name...>", "environments")
    .action(async (environments, options) => (await shared()).leave(environments, options));
}

const SHARE_HELP = `
An environment that is called like one of these commands is shared by its id. An editor types, and so does all that you
may in the environment.`;

function addShareVerbs(program: Command): void {
  const sharing = () => import("./sharing/share.ts");
  const share = verb(program, "share", "let others see a terminal, or type into it, by a link or by their account")
    .argument("<name>", "an environment")
    .argument("[terminal]", "which one, where it has several")
    .option("--with <account>", "for this account alone; a link otherwise, for anyone who has it")
    .addOption(new Option("--role <role>", "viewer otherwise").choices(ShareRole.options))
    .option("--expires <time>", "end it after 30m or 8h; a day otherwise")
    .option("--uses <count>", "how many people the link lets in; 10 otherwise")
    .option("--without-account", "let in people who have no account here, too")
    .option("--scrollback", "show the rows above the screen that are there already, too")
    .addOption(output())
    .addHelpText("after", SHARE_HELP)
    .action(async (name, terminal, options) => (await sharing()).share(name, terminal, options));
  verb(share, "ls", "list what is shared of an environment, and who was let in, or what others share with you")
    .argument("[name]", "an environment; what is shared with you otherwise, for attach")
    .addOption(output())
    .action(async (name, options) => (await sharing()).list(name, options));
  verb(share, "rm", "end shares, and close the connections of all whom they let in")
    .argument("<name>", "an environment")
    .argument("<share...>")
    .action(async (name, shares, options) => (await sharing()).remove(name, shares, options));
}

const RECORD_HELP = `
Without a terminal it is the only one of which that can be asked. An environment that is called like one of these
commands is named by its id. Files are asciicast v3.`;

function addRecordVerbs(program: Command): void {
  const recording = () => import("./recordings/recordings.ts");
  const record = verb(program, "record", "record a terminal, also while nobody is at it")
    .argument("<name>", "an environment")
    .argument("[terminal]", "which one, where it has several")
    .addOption(output())
    .addHelpText("after", RECORD_HELP)
    .action(async (name, terminal, options) => (await recording()).start(name, terminal, options));
  verb(record, "stop", "record a terminal no more; what there is is kept")
    .argument("<name>", "an environment")
    .argument("[terminal]")
    .addOption(output())
    .action(async (name, terminal, options) => (await recording()).stop(name, terminal, options));
  verb(record, "ls", "list the recordings of an environment's terminals")
    .argument("<name>", "an environment")
    .addOption(output())
    .action(async (name, options) => (await recording()).list(name, options));
  verb(record, "save", "write a recording to a file, or to standard output")
    .usage("[options] NAME [[TERMINAL] FILE]")
    .argument("<name>", "an environment")
    .argument("[terminal]")
    .argument("[file]")
    .action(async (name, terminal, file, options) =>
      (await recording()).save(
        name,
        [terminal, file].filter((word) => word !== undefined),
        options,
      ),
    );
  verb(record, "rm", "remove a recording")
    .argument("<name>", "an environment")
    .argument("[terminal]")
    .action(async (name, terminal, options) => (await recording()).remove(name, terminal, options));
}

const QUOTA_HELP = `
LIMITS: environments=10 running=5 memory=4g cpus=8 disk=40g recordings=1g hours=12 (of running a day), each a number or
none, for no limit; 0 allows nothing. none alone for all of them, and default for what the account's role has. What is
not named stays.`;

/** What accounts may have, and what an admin sees of all. */
function addQuotaVerbs(program: Command): void {
  const quota = verb(program, "quota", "show what you may have of the host, and what is left")
    .addOption(dataOutput())
    .action(async (options) => (await import("./accounts/quota.ts")).quota(options));
  verb(quota, "ls", "list what each role may have, and what each account may have and has")
    .addOption(dataOutput())
    .action(async (options) => (await import("./accounts/quota.ts")).list(options));
  verb(quota, "set", "set what a role or an account may have")
    .usage("[options] LIMITS...")
    .argument("<limits...>")
    .addOption(new Option("--role <role>", "of all that have none of their own").choices(Role.options))
    .option("--user <name>", "of one account")
    .addHelpText("after", QUOTA_HELP)
    .action(async (limits, options) => (await import("./accounts/quota.ts")).set(limits, options));

  const admin = verb(
    program,
    "admin",
    "see and hand over all owners' environments, and see the host's load",
  ).addHelpText("after", "\n'stop' and 'rm' take another owner's environment by its whole id.");
  verb(admin, "ls", "list all owners' environments, and what they use")
    .addOption(output())
    .action(async (options) => (await import("./accounts/admin.ts")).list(options));
  verb(admin, "host", "show the host's load, and what of it is promised to environments")
    .addOption(dataOutput())
    .action(async (options) => (await import("./accounts/admin.ts")).host(options));
  verb(admin, "transfer", "give an environment to another account")
    .argument("<id>")
    .argument("<account>")
    .option("--name <name>", "what it is called then")
    .option("-f, --force", "past the account's quota as well")
    .action(async (id, account, options) => (await import("./accounts/admin.ts")).transfer(id, account, options));
}

/** The verbs that speak to a server. The others (up, setup, down, status, doctor, test) belong to the entry script. */
export function createProgram(): Command {
  const program = new Command("microterm").enablePositionalOptions().helpCommand(false);
  program.description("Linux terminals in your browser, each in its own microVM.");

  withWish(verb(program, "create", "make an environment and wait until it runs"))
    .addOption(output())
    .action(async (options) => (await import("./verbs/create.ts")).create(options));
  verb(program, "ls", "list environments")
    .addOption(output())
    .action(async (options) => (await import("./verbs/ls.ts")).ls(options));
  verb(program, "inspect", "print all about environments, as a JSON array or as YAML")
    .argument("<name...>")
    .addOption(dataOutput())
    .action(async (names, options) => (await import("./verbs/inspect.ts")).inspect(names, options));
  verb(program, "top", "show what running environments use, until Ctrl-C")
    .argument("[name...]")
    .option("--once", "print it once, as where the output is no terminal")
    .addOption(output())
    .action(async (names, options) => (await import("./verbs/top.ts")).top(names, options));
  addNetworkVerbs(program);
  const run = verb(program, "run", "make an environment and run a command in it, or a shell")
    .usage("[options] [--] [COMMAND [ARGUMENT...]]")
    .argument("[command...]")
    .option("--rm", "remove the environment once the command has ended");
  withWish(withStreams(run))
    .passThroughOptions()
    .action(async (command, options) => (await import("./exec/run.ts")).run(command, options));
  withStreams(verb(program, "exec", "run a command, with its streams and its exit code"))
    .usage("[options] NAME [--] COMMAND [ARGUMENT...]")
    .argument("<name>")
    .argument("<command...>")
    .passThroughOptions()
    .action(async (name, command, options) => (await import("./exec/exec.ts")).exec(name, command, options));
  verb(program, "attach", "type into an environment's terminal, or see one that is shared with you")
    .argument("<name>", "an environment, or the id of what is shared with you: share ls")
    .option("--terminal <id>", "which one; the oldest that runs otherwise, or a new one")
    .option("--detach-keys <keys>", "how to leave it running", "ctrl-p,ctrl-q")
    .action(async (name, options) => (await import("./verbs/attach.ts")).attach(name, options));
  verb(program, "terminals", "list an environment's terminals, and who is at them")
    .argument("<name>")
    .addOption(output())
    .action(async (name, options) => (await import("./sharing/share.ts")).terminals(name, options));
  addShareVerbs(program);
  addRecordVerbs(program);
  verb(program, "cp", "copy files and folders between here and an environment")
    .usage("[options] SOURCE DESTINATION")
    .argument("<source>", "PATH or NAME:PATH; a folder that ends in /. stands for what is in it")
    .argument("<destination>", "PATH or NAME:PATH")
    .action(async (source, destination, options) => (await import("./verbs/cp.ts")).cp(source, destination, options));
  verb(program, "logs", "print the serial console")
    .argument("<name>")
    .option("-f, --follow", "go on with what comes")
    .action(async (name, options) => (await import("./verbs/logs.ts")).logs(name, options));
  verb(program, "ports", "list the TCP ports that programs in an environment listen on")
    .argument("<name>")
    .addOption(output())
    .action(async (name, options) => (await import("./ports/ports.ts")).ports(name, options));
  verb(program, "port-forward", "bring ports of an environment to this machine, until Ctrl-C")
    .usage("[options] NAME [LOCAL:]REMOTE...")
    .argument("<name>")
    .argument("<ports...>", "3000, or 8080:3000 for another port here; 0:3000 takes a free one")
    .action(async (name, ports, options) =>
      (await import("./ports/port-forward.ts")).portForward(name, ports, options),
    );
  const update = verb(
    program,
    "update",
    "change when environments end by themselves, what they may use and what they may reach",
  )
    .argument("<name...>")
    .option("--idle-timeout <time>", "pause them after 30m or 8h without use; 0 for never")
    .option("--ttl <time>", "remove them after that time, counted from now; 0 for never")
    .addOption(networkMode())
    .option("--allow <rule>", "reach this alone, such as github.com:443; may be repeated", collect)
    .option("--cpu-quota <percent>", "the most that each gets of the host's CPUs, like 150% for one and a half")
    .option("--cpu-weight <weight>", "its part of a busy host beside others; 100 for each CPU otherwise")
    .option("--disk-rate <size>", "what it reads and writes in a second, like 64m")
    .option("--disk-operations <count>", "how often it reads and writes in a second")
    .addOption(output())
    .action(async (names, options) => (await import("./verbs/update.ts")).update(names, options));
  // Tried by who has just made one with them, and told why not.
  for (const fixed of ["--size", "--memory", "--cpus", "--disk"])
    update.addOption(new Option(`${fixed} <value>`).hideHelp());
  for (const [action, summary] of [
    ["start", "boot again from the kept disk; a paused one is resumed"],
    ["pause", "keep the memory on the host's disk and end the machine"],
    ["resume", "go on where it was paused"],
  ] as const) {
    verb(program, action, summary)
      .argument("<name...>")
      .addOption(output())
      .action(async (names, options) => (await import("./verbs/power.ts")).power(action, names, options));
  }
  verb(program, "stop", "power off; the disk is kept")
    .argument("<name...>")
    .option("-f, --force", "ask nothing, even where programs run")
    .addOption(output())
    .action(async (names, options) => (await import("./verbs/power.ts")).stop(names, options));
  verb(program, "rm", "destroy environments with all they hold, and print the receipts")
    .argument("[name...]")
    .option("-f, --force", "ask nothing, and pass over what is not there")
    .option("--all", "every environment there is")
    .addOption(output())
    .action(async (names, options) => (await import("./verbs/rm.ts")).rm(names, options));
  verb(program, "audit", "show who did what, the newest entries last; for admins")
    .option("--account <account>", "by it or to it: its name, or its id")
    .option("--action <action>", "such as exec, sign-in.failed or environment.destroyed")
    .option("--environment <name>", "its id, or its name at that time")
    .addOption(new Option("--outcome <outcome>", "how it ended").choices(AuditOutcome.options))
    .option("--address <address>", "where from: an IP address")
    .option("--from <time>", "24h ago as 24h, or a time (UTC) like 2026-11-29 or 2026-11-29T10:00:00Z")
    .option("--to <time>", "before that time")
    .option("-n, --lines <count>", "how many entries at most", "50")
    .addOption(dataOutput("jsonl"))
    .addHelpText("after", "\n-o jsonl prints all entries that fit, the newest first, as a line of JSON each.")
    .action(async (options) => (await import("./accounts/audit.ts")).audit(options));
  verb(program, "open", "print another sign-in link for the browser, which leads to an environment where one is named")
    .argument("[name]")
    .addOption(dataOutput())
    .action(async (name, options) => (await import("./verbs/open.ts")).open(name, options));
  addAccountVerbs(program);
  addQuotaVerbs(program);

  program
    .command("completion")
    .summary("print what makes a shell complete these verbs")
    .description(COMPLETION_HELP)
    .addArgument(new Argument("<shell>").choices(["bash", "zsh", "fish"]))
    .action(async (shell) => console.log((await import("./completion.ts")).completion(program, shell)));

  const withCommands = (command: Command): readonly Command[] => [command, ...command.commands.flatMap(withCommands)];
  for (const command of withCommands(program)) command.exitOverride();
  return program;
}

/** Runs one verb; everything that goes wrong becomes a message on stderr and an exit code. */
export async function run(args: readonly string[]): Promise<void> {
  // As in Docker, `exec` and `run` keep 1 to 124 for the command itself.
  const isExec = args[0] === "exec" || args[0] === "run";
  if (!isExec) {
    // The reader has closed its end, as `head` does; 13 is SIGPIPE.
    process.stdout.on("error", () => process.exit(EXIT.signalled + 13));
  }
  try {
    await createProgram().parseAsync(args, { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) {
      // It has printed its message (or the help that was asked for) already.
      process.exitCode = error.exitCode === 0 ? 0 : isExec ? EXIT.ownError : EXIT.usage;
      return;
    }
    fail(error, isExec ? EXIT.ownError : EXIT.failure);
  }
}
