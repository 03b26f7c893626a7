import { type CreateEnvironment, DEFAULT_SIZE, LIMITS, NetworkMode, SIZES, Size } from "@microterm/protocol";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { hostQuery } from "../api/queries.ts";
import { Button } from "./button.tsx";
import { FailureNote } from "./failure.tsx";
import { cpuWords, templateWords } from "./words.ts";

const FIELD = "h-8 w-full min-w-0 rounded-md border border-border bg-bg px-2 invalid:border-danger";
const NUMBERS = [
  { key: "memoryMib", label: "Memory, MiB" },
  { key: "cpus", label: "CPUs" },
  { key: "diskMib", label: "Disk, MiB" },
] as const;

/** Seconds; the empty string leaves it to the server, 0 is never. */
const IDLE = [
  ["", "server's default"],
  ["900", "15 min"],
  ["3600", "1 hour"],
  ["28800", "8 hours"],
  ["86400", "1 day"],
  ["0", "never"],
] as const;
const LIFE = [
  ["", "server's default"],
  ["3600", "1 hour"],
  ["28800", "8 hours"],
  ["86400", "1 day"],
  ["604800", "7 days"],
  ["0", "never"],
] as const;

const wishOf = (form: HTMLFormElement): CreateEnvironment => {
  const data = new FormData(form);
  const text = (key: string): string => String(data.get(key) ?? "").trim();
  const size = Size.safeParse(text("size")).data;
  const wish: Record<string, string | number> = {};
  if (text("name") !== "") wish.name = text("name");
  if (size !== undefined) wish.size = size;
  else for (const { key } of NUMBERS) wish[key] = text(key) === "" ? LIMITS[key].default : Number(text(key));
  for (const key of ["idleTimeoutSeconds", "ttlSeconds"]) if (text(key) !== "") wish[key] = Number(text(key));
  const mode = NetworkMode.safeParse(text("network")).data;
  const network = mode === "allowlist" ? { mode, allow: [] } : { mode };
  return { ...wish, ...(mode !== undefined && { network }) } as CreateEnvironment;
};

interface SizeChoiceProps {
  readonly value: string;
  readonly title: string;
  readonly words: string;
  /** Null: no word about it. */
  readonly speed: string | null;
  readonly isQuick: boolean;
  readonly isChosen: boolean;
  readonly onChosen: (value: string) => void;
}

const SizeChoice = ({ value, title, words, speed, isQuick, isChosen, onChosen }: SizeChoiceProps) => (
  <label
    className={`flex cursor-pointer items-start gap-2 rounded-md border px-2.5 py-1.5 has-focus-visible:outline-2 has-focus-visible:outline-accent ${isChosen ? "border-accent bg-accent/8" : "border-border hover:bg-raised"}`}
  >
    <input
      type="radio"
      name="size"
      value={value}
      checked={isChosen}
      onChange={() => onChosen(value)}
      className="mt-1 accent-accent outline-none"
    />
    <span className="grid flex-1">
      <span className="flex justify-between gap-3">
        <span className="font-medium capitalize">{title}</span>
        <span className="text-muted">{words}</span>
      </span>
      {speed !== null && <span className={`text-xs ${isQuick ? "text-ok" : "text-muted"}`}>{speed}</span>}
    </span>
  </label>
);

const SizeChoices = () => {
  const host = useQuery(hostQuery);
  // Else all boot alike.
  const hasTemplates = host.data?.templates.some(({ state }) => state !== "unsupported") === true;
  const [chosen, setChosen] = useState<string>(DEFAULT_SIZE);
  return (
    <fieldset className="grid gap-1.5">
      <legend className="mb-1 text-muted">Size</legend>
      {Size.options.map((size) => {
        const template = host.data?.templates.find((one) => one.size === size);
        return (
          <SizeChoice
            key={size}
            value={size}
            title={size}
            words={cpuWords(SIZES[size])}
            speed={template ? templateWords(template) : "…"}
            isQuick={template?.state === "ready"}
            isChosen={chosen === size}
            onChosen={setChosen}
          />
        );
      })}
      <SizeChoice
        value="custom"
        title="custom"
        words="your own numbers"
        speed={hasTemplates ? "boots: takes a few seconds longer" : null}
        isQuick={false}
        isChosen={chosen === "custom"}
        onChosen={setChosen}
      />
      {chosen === "custom" && (
        <div className="grid grid-cols-3 gap-2">
          {NUMBERS.map(({ key, label }) => (
            <label key={key} className="grid gap-1">
              <span className="truncate text-muted">{label}</span>
              <input
                name={key}
                type="number"
                step={1}
                min={LIMITS[key].min}
                max={LIMITS[key].max}
                placeholder={String(LIMITS[key].default)}
                className={FIELD}
              />
            </label>
          ))}
        </div>
      )}
    </fieldset>
  );
};

interface ChoiceProps {
  readonly name: string;
  readonly label: string;
  readonly choices: readonly (readonly [string, string])[];
}

const Choice = ({ name, label, choices }: ChoiceProps) => (
  <label className="grid gap-1">
    <span className="truncate text-muted">{label}</span>
    <select name={name} className={FIELD} defaultValue="">
      {choices.map(([value, words]) => (
        <option key={value} value={value}>
          {words}
        </option>
      ))}
    </select>
  </label>
);

const MODE_WORDS: Readonly<Record<NetworkMode, string>> = {
  open: "open: the internet",
  allowlist: "allowlist: what is listed later",
  none: "none: nothing",
};

/** The server's default first, which is not sent; where there are no networks, why. */
const NetworkChoice = () => {
  const { data } = useQuery(hostQuery);
  if (data === undefined) return null;
  const { defaultNetwork, networkModes, networkReason, isolation } = data;
  if (defaultNetwork === null) {
    return (
      <p className="text-muted">
        {isolation === "none" ? "No network of its own" : "No network"}: {networkReason}.
      </p>
    );
  }
  const others = networkModes.filter((mode) => mode !== defaultNetwork.mode);
  return (
    <Choice
      name="network"
      label="Reaches"
      choices={[
        ["", `${MODE_WORDS[defaultNetwork.mode]} (default)`],
        ...others.map((mode) => [mode, MODE_WORDS[mode]] as const),
      ]}
    />
  );
};

export interface CreateFormProps {
  readonly busy: string | null;
  /** Of the last attempt, null when there was none or it went well. */
  readonly error: unknown;
  readonly onCreate: (wish: CreateEnvironment) => void;
}

/** Everything that may be chosen before an environment is made. */
export const CreateForm = ({ busy, error, onCreate }: CreateFormProps) => {
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    onCreate(wishOf(event.currentTarget));
  };
  return (
    <form className="mt-3 grid gap-3" onSubmit={submit}>
      <SizeChoices />
      <label className="grid gap-1">
        <span className="text-muted">Name</span>
        <input
          name="name"
          className={FIELD}
          maxLength={32}
          pattern="[a-z0-9]([a-z0-9\-]{0,30}[a-z0-9])?"
          title="Lower-case letters, digits and hyphens"
          placeholder="chosen for you"
          autoComplete="off"
          spellCheck={false}
        />
      </label>
      <div className="grid grid-cols-2 gap-2">
        <Choice name="idleTimeoutSeconds" label="Rests when idle for" choices={IDLE} />
        <Choice name="ttlSeconds" label="Removed after" choices={LIFE} />
      </div>
      <NetworkChoice />
      {error !== null && <FailureNote error={error} />}
      <Button look="primary" type="submit" needsServer busy={busy}>
        Create
      </Button>
    </form>
  );
};
