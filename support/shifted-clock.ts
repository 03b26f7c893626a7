/**
 * For `node --import`: the process's calendar is ahead by MICROTERM_TEST_CLOCK_AHEAD_MS, so that a test need not wait for
 * another day. Timers count what passes, as they do on a host whose clock was set.
 */
const aheadMs = Number(process.env.MICROTERM_TEST_CLOCK_AHEAD_MS ?? "0");
const RealDate = Date;
const now = (): number => RealDate.now() + aheadMs;

globalThis.Date = new Proxy(RealDate, {
  construct: (target, given, asked) => Reflect.construct(target, given.length === 0 ? [now()] : given, asked),
  apply: () => new RealDate(now()).toString(),
  get: (target, key) => (key === "now" ? now : Reflect.get(target, key)),
});
