/** What the page calls things, all in one place: the words of the inside stay inside, and what the server tells comes as codes. */
import type {
  BootStep,
  Environment,
  ErrorDetails,
  HostStatus,
  Isolation,
  Notice,
  Receipt,
  TemplateStep,
} from "@microterm/protocol";

export interface StatusWord {
  readonly word: string;
  readonly tone: "ok" | "warn" | "danger" | "muted" | "accent";
  readonly isMoving: boolean;
}

export const statusWord = ({
  state,
  operation,
  unresponsiveSince,
}: Pick<Environment, "state" | "operation" | "unresponsiveSince">): StatusWord => {
  switch (state) {
    case "creating":
      return { word: operation === "resume" ? "Resuming" : "Starting", tone: "accent", isMoving: true };
    case "running":
      if (operation === "stop") return { word: "Stopping", tone: "muted", isMoving: true };
      if (operation === "pause") return { word: "Pausing", tone: "warn", isMoving: true };
      if (unresponsiveSince !== null) return { word: "Not responding", tone: "warn", isMoving: false };
      return { word: "Running", tone: "ok", isMoving: false };
    case "paused":
      return { word: "Paused", tone: "warn", isMoving: false };
    case "stopped":
      return { word: "Stopped", tone: "muted", isMoving: false };
    case "failed":
      return { word: "Failed", tone: "danger", isMoving: false };
    case "destroying":
      return { word: "Removing", tone: "muted", isMoving: true };
  }
};

export const STEP_WORDS: Readonly<Record<BootStep, string>> = {
  claim: "Taking one that is ready",
  resume: "Bringing back its memory",
  restore: "Waking a prepared copy",
  disk: "Preparing its disk",
  machine: "Switching it on",
  kernel: "Starting Linux",
  agent: "Waiting for it to answer",
  terminal: "Opening a terminal",
};

/** What is about to happen to an environment, or has just failed. When is the reader's to add. */
export const noticeWords = (name: string, notice: Notice): string => {
  switch (notice.code) {
    case "expiry":
      return `${name} will be removed, with its disk.`;
    case "idle":
      return `${name} will be ${notice.action === "pause" ? "paused" : "stopped"} unless it is used.`;
    case "hours":
      return `${name} will be ${notice.action === "pause" ? "paused" : "stopped"}: the hours of running of the day are used up.`;
    case "pause-failed":
      return `${name} could not be paused: ${sentence(notice.detail)}`;
  }
};

/** `in 9 min`; until when it is there, in a list. */
export const expiryWords = (expiresAt: string | null, now: number): string =>
  expiresAt === null ? "never" : `in ${durationWords(Math.max(0, Date.parse(expiresAt) - now) / 1000)}`;

/** What became of an environment that is not there any more. */
export const removalWords = ({ at, cause }: NonNullable<ErrorDetails["removal"]>): string => {
  const when = new Date(at).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" });
  return cause === "expiry"
    ? `It was removed on ${when}, with its disk, because its time to live was over.`
    : `It was removed on ${when}, with its disk, on request.`;
};

/** What the server tells a terminal's window beside its output, by the codes of docs/reference/terminal-protocol.md. */
const TERMINAL_NOTICES: ReadonlyMap<string, string> = new Map([
  ["paused", "What was typed while the environment was paused is lost: once it runs, type it again."],
  ["read-only", "You look on here, so what you type goes nowhere. Ask for the keyboard to type."],
  ["keyboard-given", "You have the keyboard: what you type goes to this terminal."],
  ["keyboard-taken", "The keyboard was taken back: you look on."],
  ["input-lost", "What was typed last did not reach the terminal and is lost: type it again once it answers."],
  [
    "offset-unknown",
    "The screen kept from before was another terminal's and is dropped: this is the terminal as it is now.",
  ],
  ["screen-cut", "Output from before is gone, so the screen may be incomplete. Ctrl+L redraws most programs."],
  [
    "screen-empty",
    "A program's output was too much for the screen that is kept of this terminal: it begins empty in each new window. Ctrl+L redraws most programs, and a new terminal is kept again.",
  ],
]);

/** `message`: the server's own words, for a code that this page does not know. */
export const terminalNoticeWords = (code: string, message: string): string => TERMINAL_NOTICES.get(code) ?? message;

export interface IsolationWords {
  readonly short: string;
  readonly label: string;
  readonly explanation: string;
  readonly isWarning: boolean;
}

export const isolationWords = (isolation: Isolation): IsolationWords => {
  switch (isolation) {
    case "vm":
      return {
        short: "Own VM",
        label: "Isolated: a virtual machine of its own",
        explanation:
          "Each environment runs its own Linux kernel in a hardware virtual machine, and the program that runs the machine is confined too.",
        isWarning: false,
      };
    case "emulated":
      return {
        short: "Emulated",
        label: "Emulated: slow, don't run untrusted code.",
        explanation:
          "This host offers no hardware virtualisation, so the processor is emulated in software. That is slow, and the emulator is not made to withstand hostile code. It is confined, which is one wall, not two.",
        isWarning: true,
      };
    case "container":
      return {
        short: "Container",
        label: "A container: it shares the node's kernel.",
        explanation:
          "Environments are pods of a cluster, and no virtual machine was found around them: they share their node's kernel. Don't run what you don't trust.",
        isWarning: true,
      };
    case "none":
      return {
        short: "Not isolated",
        label: "Not isolated: don't run untrusted code.",
        explanation:
          "This server was started with the 'process' driver: environments are ordinary processes of the host, in a folder of their own. It is meant for tests.",
        isWarning: true,
      };
  }
};

const memoryWords = (mib: number): string => (mib % 1024 === 0 ? `${mib / 1024} GiB` : `${mib} MiB`);

export const cpuWords = ({ memoryMib, cpus }: Pick<Environment, "memoryMib" | "cpus">): string =>
  `${cpus} CPU${cpus === 1 ? "" : "s"} · ${memoryWords(memoryMib)}`;

export const sizeWords = (of: Pick<Environment, "size" | "memoryMib" | "cpus" | "diskMib">): string =>
  `${of.size ?? "custom"} · ${cpuWords(of)} · ${memoryWords(of.diskMib)} disk`;

export type Template = HostStatus["templates"][number];

const TEMPLATE_STEPS: Readonly<Record<TemplateStep, string>> = {
  disk: "making its disk",
  machine: "switching it on",
  kernel: "starting Linux",
  agent: "waiting for it to answer",
  warm: "running common programs once",
  seal: "clearing what must not be copied",
  save: "saving its memory",
};

/** How fast an environment of this size starts now; null where all of them boot. */
export const templateWords = ({ state, step }: Pick<Template, "state" | "step">): string | null => {
  switch (state) {
    case "ready":
      return "starts at once";
    case "building":
      return `being prepared${step === null ? "" : ` (${TEMPLATE_STEPS[step]})`}; boots until then`;
    case "waiting":
      return "prepared soon; boots until then";
    case "failed":
      return "boots: it could not be prepared";
    case "unsupported":
      return null;
  }
};

export interface Readiness {
  readonly words: string;
  readonly isWarning: boolean;
  /** More, for a tooltip. */
  readonly detail: string;
}

/** What the host has ready, and what it prepares: the list's footer. Null where nothing can be prepared. */
export const readinessWords = ({ templates, pool }: Pick<HostStatus, "templates" | "pool">): Readiness | null => {
  const building = templates.find(({ state }) => state === "building");
  const failed = templates.filter(({ state }) => state === "failed");
  if (templates.every(({ state }) => state === "unsupported")) return null;
  const detail = [...failed.map(({ size, reason }) => `${size}: ${reason ?? "failed"}`), pool.reason ?? ""]
    .filter((line) => line !== "")
    .join("\n");
  const ready = pool.wanted > 0 ? `${pool.ready} of ${pool.wanted} ready` : "";
  const preparing = building
    ? `preparing ${building.size}${building.step === null ? "" : `: ${TEMPLATE_STEPS[building.step]}`}…`
    : "";
  const broken = failed.length > 0 ? `${failed.map(({ size }) => size).join(", ")} could not be prepared` : "";
  const words = [ready, preparing, broken].filter((part) => part !== "").join(" · ");
  const isShort = pool.ready < pool.wanted && !building;
  return words === "" ? null : { words, isWarning: failed.length > 0 || isShort, detail };
};

/** `30 min`, `8 h`, `7 days`: the largest whole unit. */
export const durationWords = (seconds: number): string => {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
};

export const bytesWords = (bytes: number): string => {
  const units = ["bytes", "KiB", "MiB", "GiB"] as const;
  const power = bytes < 1024 ? 0 : Math.min(3, Math.floor(Math.log2(bytes) / 10));
  return `${power === 0 ? bytes : (bytes / 1024 ** power).toFixed(1)} ${units[power]}`;
};

const RECEIPT_NOUNS: readonly (readonly [keyof Receipt["removed"], string, string])[] = [
  ["processes", "process", "processes"],
  ["cgroups", "control group", "control groups"],
  ["sockets", "socket", "sockets"],
  ["files", "file", "files"],
  ["uids", "user id", "user ids"],
  ["namespaces", "network namespace", "network namespaces"],
  ["links", "network link", "network links"],
  ["flows", "connection", "connections"],
];

/** `Removed: 1 process, 2 sockets, 12.0 MiB of disk. Nothing is left.` */
export const receiptWords = ({ removed, left }: Pick<Receipt, "removed" | "left">): string => {
  const parts = RECEIPT_NOUNS.filter(([key]) => removed[key] > 0).map(
    ([key, one, many]) => `${removed[key]} ${removed[key] === 1 ? one : many}`,
  );
  if (removed.diskBytes > 0) parts.push(`${bytesWords(removed.diskBytes)} of disk`);
  const gone = parts.length === 0 ? "There was nothing of it on the host." : `Removed: ${parts.join(", ")}.`;
  return left.length === 0 ? `${gone} Nothing is left.` : `${gone} Still there: ${left.join(", ")}.`;
};

/** A reason as the server gives it, as a sentence. */
export const sentence = (text: string): string => {
  const trimmed = text.trim();
  return `${trimmed.charAt(0).toUpperCase()}${trimmed.slice(1)}${/[.!?…]$/.test(trimmed) ? "" : "."}`;
};

export const elapsedWords = (ms: number): string => {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
};

export const agoWords = (then: number, now: number): string => {
  const minutes = Math.max(0, Math.floor((now - then) / 60_000));
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ago`;
  return `${Math.floor(hours / 24)} days ago`;
};

/** What exit statuses mean to a person (bash(1), EXIT STATUS; signal(7)). */
export const exitWords = ({
  code,
  signal,
}: {
  readonly code: number | null;
  readonly signal: number | null;
}): string => (signal !== null ? `Ended by signal ${signal}` : `Exited with code ${code ?? "unknown"}`);
