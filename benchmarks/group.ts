import type { MeasuredDriver } from "./driver.ts";
import type { Figure } from "./figures.ts";

export interface Settings {
  readonly rounds: number;
  /** What makes the guests of those that are run per driver. */
  readonly driver: MeasuredDriver;
  /** The long form, where there is one. */
  readonly isSoak: boolean;
}

export type Measure<World> = (world: World, settings: Settings) => Promise<readonly Figure[]>;

/** Benchmarks that share what they measure on. */
export interface Group {
  readonly names: readonly string[];
  /** Runs those of `names` that are its own. Each one's figures, or what it failed of, go to `report`; never rejects. */
  run(names: readonly string[], settings: Settings, report: Report): Promise<void>;
  /** Ends what it has started, if it is in the middle of a run, and begins nothing any more. */
  close(): Promise<void>;
}

export interface Report {
  figures(figures: readonly Figure[]): void;
  failed(name: string, error: unknown): void;
}

export interface GroupOptions<World> {
  open(settings: Settings): Promise<World>;
  /** Rejects when anything is left of it. */
  close(world: World): Promise<unknown>;
  readonly benchmarks: Readonly<Record<string, Measure<World>>>;
}

/** The world is opened once for all that are asked for, and closed whatever fails in it. */
export function createGroup<World>({ open, close, benchmarks }: GroupOptions<World>): Group {
  const names = Object.keys(benchmarks);
  let isClosed = false;
  let closing: (() => Promise<unknown>) | null = null;
  const closeOnce = async (): Promise<void> => {
    const end = closing;
    closing = null;
    await end?.();
  };
  return {
    names,
    async run(asked, settings, report) {
      const own = names.filter((name) => asked.includes(name));
      const [first] = own;
      if (first === undefined) return;
      if (isClosed) return;
      const opening = open(settings);
      // A close that comes while it is opened waits for that.
      closing = () => opening.then(close, () => undefined);
      let world: World;
      try {
        world = await opening;
      } catch (error) {
        report.failed(own.join(", "), error);
        return;
      }
      for (const name of own) {
        try {
          report.figures((await benchmarks[name]?.(world, settings)) ?? []);
        } catch (error) {
          report.failed(name, error);
        }
      }
      // After the errors of the benchmarks: what is left behind is often their consequence.
      await closeOnce().catch((error: unknown) => report.failed(`the end of ${own.join(", ")}`, error));
    },
    close() {
      isClosed = true;
      return closeOnce();
    },
  };
}
