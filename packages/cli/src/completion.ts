import type { Command, Option } from "commander";

export type Shell = "bash" | "zsh" | "fish";

interface Verb {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly Option[];
  /** What its arguments name, one after another; the last one is for all that follow. */
  readonly takes: readonly Named[];
  /** Whether its arguments are paths as well. */
  readonly takesFiles: boolean;
  readonly choices: readonly string[];
  readonly verbs: readonly Verb[];
}

type Named = "names" | "networks";

/** The verbs of the entry script and of set-up, which the CLI's program does not have. */
export const SCRIPT_VERBS: readonly (readonly [name: string, summary: string, options: readonly string[]])[] = [
  [
    "up",
    "set up what is missing and start the server",
    [
      "--detach",
      "--port",
      "--allow-host",
      "--preview-domain",
      "--oidc",
      "--local-accounts",
      "--anonymous-links",
      "--data",
      "--driver",
      "--kubeconfig",
      "--namespace",
      "--runtime-class",
      "--storage-class",
      "--image",
      "--insecure-no-network-policy",
      "--fleet",
      "--identity",
      "--pool",
      "--overcommit",
      "--scrollback",
      "--audit-days",
      "--audit-arguments",
      "--log-level",
      "--metrics",
      "--idle-timeout",
      "--ttl",
      "--network",
      "--uplink",
      "--allow-private",
      "--yes",
    ],
  ],
  ["setup", "download Firecracker", []],
  ["image", "write or push the image of a cluster's pods", ["--name"]],
  ["down", "stop server and machines, keep the disks", ["--destroy", "--yes", "--data"]],
  ["status", "what runs", ["--output", "--data"]],
  ["backup", "all that the data folder holds, as one file", ["--data"]],
  ["restore", "a backup into an empty data folder", ["--data"]],
  [
    "doctor",
    "check this host",
    [
      ...["--leftovers", "--driver", "--kubeconfig", "--namespace", "--runtime-class", "--storage-class", "--image"],
      ...["--output", "--data"],
    ],
  ],
  ["version", "of this checkout and of the server", ["--output", "--data"]],
  ["test", "run the tests", ["--soak"]],
];

/** Of the program or of one of its verbs. */
const WITHOUT_NAMES = new Set(["create", "run", "ls", "audit", "completion"]);

/** Arguments that are looked up nowhere while somebody types. */
const WITHOUT_NAMES_TO_ASK = new Set(["account", "label", "role", "token", "session", "invitation"]);

/** What makes a shell complete verbs, options, an option's choices and the names of environments and networks, which are asked for then. */
export function completion(program: Command, shell: Shell): string {
  const verbs = program.commands.map(describe);
  return { bash: forBash, zsh: forZsh, fish: forFish }[shell](verbs);
}

function describe(command: Command): Verb {
  const name = command.name();
  const named = command.registeredArguments
    .filter((argument) => !WITHOUT_NAMES_TO_ASK.has(argument.name()))
    .map((argument) => (argument.name() === "network" ? "networks" : "names"));
  return {
    name,
    summary: command.summary(),
    options: command.options.filter(({ hidden }) => !hidden),
    takes: WITHOUT_NAMES.has(name) ? [] : named,
    takesFiles: name === "cp",
    choices: command.registeredArguments.flatMap((argument) => argument.argChoices ?? []),
    verbs: command.commands.map(describe),
  };
}

const flags = (options: readonly Option[]): readonly string[] =>
  options.flatMap(({ short, long }) => [short, long].filter((flag) => flag !== undefined && flag !== null) as string[]);

const withChoices = (verb: Verb): readonly Option[] => verb.options.filter((option) => option.argChoices !== undefined);

/** In single quotes of any of the shells: our own words have none. */
const quoted = (text: string): string => `'${text.replaceAll("'", "’")}'`;

/** What a verb's arguments name, of which the first one is a word of that number. */
function namesOf({ takes }: Verb, first: number): string {
  const last = takes.at(-1);
  if (last === undefined) return "";
  const before = takes
    .slice(0, -1)
    .map((named, at) => `if [ "$COMP_CWORD" = ${first + at} ]; then _microterm_${named}; el`);
  const lastOne = before.length === 0 ? `_microterm_${last}` : `se _microterm_${last}; fi`;
  return ` $(${before.join("")}${lastOne})`;
}

function wordsOf(verb: Verb, first: number): string {
  const choices = withChoices(verb).map(
    (option) => `${flags([option]).join("|")}) words=${quoted((option.argChoices ?? []).join(" "))} ;;`,
  );
  const own = [...flags(verb.options), "--help", ...verb.choices].join(" ");
  return ["case $previous in", ...choices, `*) words="${own}${namesOf(verb, first)}" ;;`, "esac"].join("\n      ");
}

/** Of a verb with verbs of its own, and with arguments where none of these stands. */
function wordsOfVerbs(verb: Verb): string {
  const all = verb.verbs.map(({ name }) => name);
  const cases = verb.verbs.map((one) => `*:${one.name}) ${wordsOf(one, 3)} ;;`);
  const first = `2:*) ${wordsOf({ ...verb, choices: all }, 2)} ;;`;
  const rest = `*) ${wordsOf(verb, 2)} ;;`;
  return [`case $COMP_CWORD:\${COMP_WORDS[2]} in`, first, ...cases, rest, "esac"].join("\n      ");
}

function forBash(verbs: readonly Verb[]): string {
  const names = [...SCRIPT_VERBS.map(([name]) => name), ...verbs.map(({ name }) => name), "help"].join(" ");
  const cases = verbs.map((verb) => {
    const files = verb.takesFiles ? "      compopt -o default 2>/dev/null\n" : "";
    const body = verb.verbs.length === 0 ? wordsOf(verb, 2) : wordsOfVerbs(verb);
    return `    ${verb.name})\n${files}      ${body} ;;\n`;
  });
  const setUp = SCRIPT_VERBS.map(
    ([name, , options]) => `    ${name}) words=${quoted([...options, "--help"].join(" "))} ;;\n`,
  );
  return `_microterm_names() { "\${COMP_WORDS[0]}" ls -o name 2>/dev/null; }
_microterm_networks() { "\${COMP_WORDS[0]}" network ls -o name 2>/dev/null; }
_microterm() {
  local word=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]} words=
  if [ "$COMP_CWORD" = 1 ]; then
    COMPREPLY=($(compgen -W ${quoted(names)} -- "$word"))
    return
  fi
  case \${COMP_WORDS[1]} in
${cases.join("")}${setUp.join("")}    help) words=${quoted(names)} ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -F _microterm microterm ./microterm`;
}

/** zsh runs what bash does, by bash's own interface. */
function forZsh(verbs: readonly Verb[]): string {
  return `autoload -U +X bashcompinit && bashcompinit\n${forBash(verbs)}`;
}

/** The condition that these words are the first ones of a line, and whatever else. */
const begins = (words: readonly string[], ...more: readonly string[]): string =>
  quoted([`__microterm_begins ${words.join(" ")}`, ...more].join("; and "));

/** The condition that so many words, or so many at least, stand before the one that is completed. */
const follows = (number: number, how: "-eq" | "-ge" = "-eq"): string =>
  `test (count (commandline -opc)) ${how} ${number}`;

/** What stands after a verb, which is named by all words that lead to it. */
function fishVerb(verb: Verb, path: readonly string[]): readonly string[] {
  const none = verb.verbs.map(({ name }) => name).join(" ");
  const when = none === "" ? begins(path) : begins(path, `not __fish_seen_subcommand_from ${none}`);
  const here = `complete -c microterm -n ${when}`;
  const options = verb.options.map((option) => {
    const short = option.short ? ` -s ${option.short.slice(1)}` : "";
    const values = option.argChoices ? ` -xa ${quoted(option.argChoices.join(" "))}` : option.required ? " -r" : "";
    return `${here}${short} -l ${option.long?.slice(2)}${values} -d ${quoted(option.description)}`;
  });
  const number = path.length + 1;
  const takes = verb.takes.map((named, at) => {
    const how = at === verb.takes.length - 1 ? "-ge" : "-eq";
    const there =
      verb.takes.length === 1 ? here : `complete -c microterm -n ${begins(path, follows(number + at, how))}`;
    return `${there} -a '(__microterm_${named})'`;
  });
  const ownVerbs = verb.verbs.flatMap((one) => [
    `complete -c microterm -n ${begins(path, follows(number))} -a ${one.name} -d ${quoted(one.summary)}`,
    ...fishVerb(one, [...path, one.name]),
  ]);
  return [
    ...options,
    ...takes,
    ...ownVerbs,
    ...(verb.takesFiles ? [`${here} -F`] : []),
    ...(verb.choices.length > 0 ? [`${here} -a ${quoted(verb.choices.join(" "))}`] : []),
  ];
}

function forFish(verbs: readonly Verb[]): string {
  const all = [
    ...SCRIPT_VERBS.map(([name, summary]) => [name, summary] as const),
    ...verbs.map((one) => [one.name, one.summary] as const),
  ];
  const lines = [
    "function __microterm_begins; set -l words (commandline -opc); set -l end (math 1 + (count $argv))",
    '  test "$words[2..$end]" = "$argv"; end',
    "function __microterm_names; set -l words (commandline -opc); $words[1] ls -o name 2>/dev/null; end",
    "function __microterm_networks; set -l words (commandline -opc); $words[1] network ls -o name 2>/dev/null; end",
    "complete -c microterm -f",
    ...all.map(([name, summary]) => `complete -c microterm -n ${quoted(follows(1))} -a ${name} -d ${quoted(summary)}`),
    ...SCRIPT_VERBS.flatMap(([name, , options]) =>
      options.map((option) => `complete -c microterm -n ${begins([name])} -l ${option.slice(2)}`),
    ),
    ...verbs.flatMap((verb) => fishVerb(verb, [verb.name])),
  ];
  return lines.join("\n");
}
