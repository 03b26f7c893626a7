/** The parts of a build, in order; an error and each progress report name one. */
export const BUILD_STEPS = [
  "check",
  "sources",
  "packages",
  "kernel",
  "guest",
  "filesystem",
  "initrd",
  "finish",
] as const;

export type BuildStep = (typeof BUILD_STEPS)[number];

/** A build that failed: which step, why, and what a person can do about it. */
export class ImageBuildError extends Error {
  override readonly name = "ImageBuildError";
  readonly step: BuildStep;
  readonly hint: string;
  /** The last lines that the failed program wrote; empty when no program failed. */
  readonly log: string;

  constructor(options: {
    readonly step: BuildStep;
    readonly message: string;
    readonly hint: string;
    readonly log?: string;
    readonly cause?: unknown;
  }) {
    super(`image, step "${options.step}": ${options.message}`, { cause: options.cause });
    this.step = options.step;
    this.hint = options.hint;
    this.log = options.log ?? "";
  }
}

/** An image on disk that is not what its manifest says, or has no readable manifest. */
export class ImageCorruptError extends Error {
  override readonly name = "ImageCorruptError";
  /** The name of the file at fault, within the image's directory. */
  readonly file: string;

  constructor(file: string, message: string, options: { readonly cause?: unknown } = {}) {
    super(`${file}: ${message}`, options);
    this.file = file;
  }
}
