/** How long one target is fuzzed, seconds: a glance in every run of the tests, a while with `--soak`. */
export const SECONDS = process.env.MICROTERM_SOAK === "1" ? 600 : 5;
