import { type Connections as Counts, rateWords } from "./connection-rate.ts";

/** Of a limit, from which on it is shown as about to be reached. */
const NEAR = 0.9;

interface MeterProps {
  readonly name: string;
  readonly value: number;
  readonly limit: number;
  /** Of the value, beside its limit. */
  readonly words: string;
}

const Meter = ({ name, value, limit, words }: MeterProps) => {
  const share = Math.min(1, value / limit);
  return (
    <div className="mt-1">
      <div className="flex justify-between gap-2">
        <span>{name}</span>
        <span className="text-muted">{words}</span>
      </div>
      <meter
        className="sr-only"
        aria-label={name}
        min={0}
        max={limit}
        value={Math.min(value, limit)}
        aria-valuetext={words}
      />
      <div aria-hidden className="mt-0.5 h-1.5 overflow-hidden rounded-full border border-border bg-bg">
        <div className={`h-full ${share < NEAR ? "bg-accent" : "bg-warn"}`} style={{ width: `${100 * share}%` }} />
      </div>
    </div>
  );
};

interface ConnectionsProps {
  readonly counts: Counts;
  /** New ones a second; null: not known yet. */
  readonly rate: number | null;
}

/** The connections of a running environment beside what it may have of them. */
export const Connections = ({ counts: { tracked, exceeded, limits }, rate }: ConnectionsProps) => (
  <section className="mt-4" aria-labelledby="network-connections">
    <h3 id="network-connections" className="font-semibold">
      Connections
    </h3>
    {tracked !== null && (
      <Meter
        name="Open, or ended a moment ago"
        value={tracked}
        limit={limits.open}
        words={`${tracked.toLocaleString("en")} of ${limits.open.toLocaleString("en")}`}
      />
    )}
    {rate !== null && (
      <Meter
        name="New"
        value={rate}
        limit={limits.newPerSecond}
        words={`${rateWords(rate)} of ${limits.newPerSecond} a second`}
      />
    )}
    {exceeded > 0 && (
      <p className="mt-1 text-warn">
        {exceeded.toLocaleString("en")} {exceeded === 1 ? "packet was" : "packets were"} refused because a limit was
        reached.
      </p>
    )}
  </section>
);
