import type { Command, Option } from "commander";

export type Shell = "bash" | "zsh" | "fish";

interface Verb {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly Option[];
  /** Whether its arguments are environments. */
  readonly takesNames: boolean;
  /** Whether its arguments are paths as well. */
  readonly takesFiles: boolean;
  readonly choices: readonly string[];
}

/** The verbs of the entry script and of set-up, which the CLI's program does not have. */
const SET_UP: readonly (readonly [name: string, summary: string, options: readonly string[]])[] = [
  [
    "up",
    "set up what is missing and start the server",
    [
      "--detach",
      "--port",
      "--allow-host",
      "--preview-domain",
      "--data",
      "--driver",
      "--pool",
      "--overcommit",
      "--scrollback",
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
  ["down", "stop server and machines, keep the disks", ["--destroy", "--yes", "--data"]],
  ["status", "what runs", ["--output", "--data"]],
  ["doctor", "check this host", ["--leftovers", "--output", "--data"]],
  ["version", "of this checkout and of the server", ["--output", "--data"]],
  ["test", "run the tests", ["--soak"]],
];

const WITHOUT_NAMES = new Set(["create", "ls", "open", "completion"]);

/** What makes a shell complete verbs, options, an option's choices and the names of environments, which are asked for then. */
export function completion(program: Command, shell: Shell): string {
  const verbs = program.commands.map(describe);
  return { bash: forBash, zsh: forZsh, fish: forFish }[shell](verbs);
}

function describe(command: Command): Verb {
  const name = command.name();
  return {
    name,
    summary: command.summary(),
    options: command.options.filter(({ hidden }) => !hidden),
    takesNames: !WITHOUT_NAMES.has(name),
    takesFiles: name === "cp",
    choices: command.registeredArguments.flatMap((argument) => argument.argChoices ?? []),
  };
}

const flags = (options: readonly Option[]): readonly string[] =>
  options.flatMap(({ short, long }) => [short, long].filter((flag) => flag !== undefined && flag !== null) as string[]);

const withChoices = (verb: Verb): readonly Option[] => verb.options.filter((option) => option.argChoices !== undefined);

/** In single quotes of any of the shells: our own words have none. */
const quoted = (text: string): string => `'${text.replaceAll("'", "’")}'`;

function forBash(verbs: readonly Verb[]): string {
  const names = [...SET_UP.map(([name]) => name), ...verbs.map(({ name }) => name), "help"].join(" ");
  const cases = verbs.map((verb) => {
    const choices = withChoices(verb).map(
      (option) => `      ${flags([option]).join("|")}) words=${quoted((option.argChoices ?? []).join(" "))} ;;\n`,
    );
    const own = [...flags(verb.options), "--help", ...verb.choices].join(" ");
    const rest = verb.takesNames
      ? `      *) words="${own} $(_microterm_names)" ;;\n`
      : `      *) words=${quoted(own)} ;;\n`;
    const files = verb.takesFiles ? "      compopt -o default 2>/dev/null\n" : "";
    return `    ${verb.name})\n${files}      case $previous in\n${choices.join("")}${rest}      esac ;;\n`;
  });
  const setUp = SET_UP.map(
    ([name, , options]) => `    ${name}) words=${quoted([...options, "--help"].join(" "))} ;;\n`,
  );
  return `_microterm_names() { "\${COMP_WORDS[0]}" ls -o name 2>/dev/null; }
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

function forFish(verbs: readonly Verb[]): string {
  const first = "not __fish_seen_subcommand_from (__microterm_verbs)";
  const all = [
    ...SET_UP.map(([name, summary]) => [name, summary] as const),
    ...verbs.map((one) => [one.name, one.summary] as const),
  ];
  const lines = [
    `function __microterm_verbs; string split ' ' ${quoted(all.map(([name]) => name).join(" "))}; end`,
    "function __microterm_names; set -l words (commandline -opc); $words[1] ls -o name 2>/dev/null; end",
    "complete -c microterm -f",
    ...all.map(([name, summary]) => `complete -c microterm -n ${quoted(first)} -a ${name} -d ${quoted(summary)}`),
    ...SET_UP.flatMap(([name, , options]) =>
      options.map((option) => `complete -c microterm -n '__fish_seen_subcommand_from ${name}' -l ${option.slice(2)}`),
    ),
    ...verbs.flatMap((verb) => {
      const here = `complete -c microterm -n '__fish_seen_subcommand_from ${verb.name}'`;
      return [
        ...verb.options.map((option) => {
          const short = option.short ? ` -s ${option.short.slice(1)}` : "";
          const values = option.argChoices
            ? ` -xa ${quoted(option.argChoices.join(" "))}`
            : option.required
              ? " -r"
              : "";
          return `${here}${short} -l ${option.long?.slice(2)}${values} -d ${quoted(option.description)}`;
        }),
        ...(verb.takesNames ? [`${here} -a '(__microterm_names)'`] : []),
        ...(verb.takesFiles ? [`${here} -F`] : []),
        ...(verb.choices.length > 0 ? [`${here} -a ${quoted(verb.choices.join(" "))}`] : []),
      ];
    }),
  ];
  return lines.join("\n");
}
