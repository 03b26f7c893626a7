/** Processor time that one model has in a turn, ms: what a key's answer waits for others at most, and a step of theirs. */
const TURN_MS = 10;

/** How long a step may wait for what is next of its model: drawing both at once is less work. */
const WAIT_MS = 5;

/** After a step there is more to do, or more to do once the next job is there, or nothing is for {@link WAIT_MS}. */
export type Step = "more" | "wait";

/** Something to do for one model, in steps that are short. */
export interface Job {
  readonly steps: Iterator<Step>;
  /** It is done, or was given up because of an exception. */
  done(): void;
}

interface Line {
  readonly key: number;
  readonly jobs: Job[];
  spentMs: number;
  /** Ends the wait of its first job. */
  endWait: (() => void) | null;
}

export interface ModelTurnsOptions {
  /** Runs one step of a model's. False: it threw. */
  readonly during: (key: number, work: () => void) => boolean;
  /** Processor time of this thread, ms. */
  readonly spentMs: () => number;
  /** A model has had a turn. */
  readonly turned: (key: number) => void;
  /** Calls back once what has come meanwhile was looked at. */
  readonly soon: (run: () => void) => void;
  /** Calls back after so many ms, unless the answer is called before. */
  readonly after: (ms: number, run: () => void) => () => void;
}

/**
 * Shares the worker's time between the models: the model that has had least of it is next, so that one whose output takes seconds to draw
 * delays the others by a turn and no more.
 */
export class ModelTurns {
  readonly #options: ModelTurnsOptions;
  readonly #lines = new Map<number, Line>();
  /** Those that have something to do. */
  readonly #waiting = new Set<Line>();
  #isRunning = false;

  constructor(options: ModelTurnsOptions) {
    this.#options = options;
  }

  get isIdle(): boolean {
    return this.#waiting.size === 0 && [...this.#lines.values()].every(({ endWait }) => endWait === null);
  }

  add(key: number, job: Job): void {
    const line = this.#lines.get(key) ?? { key, jobs: [], spentMs: 0, endWait: null };
    this.#lines.set(key, line);
    line.jobs.push(job);
    this.#resume(line);
  }

  #resume(line: Line): void {
    line.endWait?.();
    line.endWait = null;
    if (!this.#waiting.has(line)) {
      // One that rested has not saved up time.
      const least = Math.min(...[...this.#waiting].map(({ spentMs }) => spentMs));
      if (Number.isFinite(least)) line.spentMs = Math.max(line.spentMs, least);
      this.#waiting.add(line);
    }
    if (!this.#isRunning) this.#run();
  }

  /** What it still has to do is not done. */
  drop(key: number): void {
    const line = this.#lines.get(key);
    this.#lines.delete(key);
    if (line === undefined) return;
    this.#waiting.delete(line);
    line.endWait?.();
    for (const job of line.jobs.splice(0)) job.done();
  }

  #run(): void {
    this.#isRunning = true;
    const line = this.#next();
    if (line !== undefined) this.#turn(line);
    this.#isRunning = this.#waiting.size > 0;
    if (this.#isRunning) this.#options.soon(() => this.#run());
  }

  #next(): Line | undefined {
    let next: Line | undefined;
    // Of several the one that came last: it has waited longest for anything at all.
    for (const line of this.#waiting) if (next === undefined || line.spentMs <= next.spentMs) next = line;
    return next;
  }

  #turn(line: Line): void {
    const { during, spentMs, turned } = this.#options;
    const begun = spentMs();
    for (let [job] = line.jobs; job !== undefined && spentMs() - begun < TURN_MS; [job] = line.jobs) {
      let step: Step | null = null;
      const { steps } = job;
      const isWell = during(line.key, () => {
        const { done, value } = steps.next();
        step = done === true ? null : value;
      });
      if (isWell && step === "wait" && line.jobs.length === 1) {
        line.endWait = this.#options.after(WAIT_MS, () => this.#resume(line));
        break;
      }
      if (isWell && step !== null) continue;
      line.jobs.shift();
      job.done();
    }
    turned(line.key);
    line.spentMs += spentMs() - begun;
    if (line.jobs.length === 0 || line.endWait !== null) this.#waiting.delete(line);
  }
}
