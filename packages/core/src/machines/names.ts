import type { Randomness } from "../ports/clock.ts";

// 64 each, so that one random byte chooses evenly. Short, distinct when read aloud, and harmless in any pair.
const FIRST = (
  "amber ample bold brave brief bright brisk calm clear clever cool cosy crisp deep eager early even fair fast fine " +
  "fond fresh gentle glad gold grand green happy honest humble keen kind light lively lucky mellow merry mild neat " +
  "new nimble noble open patient plain proud pure quick quiet rapid ready silver simple smart soft solid sound " +
  "steady still sunny swift true warm wise"
).split(" ");

const SECOND = (
  "acorn badger bay beaver birch brook canyon cedar cliff clover cloud coral crane creek dawn delta dolphin dove " +
  "dune eagle elm ember falcon fern finch fjord fox glade grove harbor hare hawk hazel heron hill island ivy lake " +
  "lark lynx maple marsh meadow moon moss oak otter owl pebble pine plover pond rain raven reef river robin sage " +
  "seal sparrow stone swan tide wren"
).split(" ");

/** How many names without a number are tried before a suffix makes one that is certain to be free. */
const PLAIN_TRIES = 6;

/** A name for an environment that was given none: `calm-otter`; after some tries that were taken, `calm-otter-x3f9`. */
export function randomName(random: Randomness, tries: number): string {
  const [first = 0, second = 0] = random.bytes(2);
  const name = `${FIRST[first % FIRST.length]}-${SECOND[second % SECOND.length]}`;
  return tries < PLAIN_TRIES ? name : `${name}-${random.id(4)}`;
}
