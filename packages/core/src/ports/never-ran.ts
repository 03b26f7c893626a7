import { PlatformError } from "@microterm/protocol";

/** Of `VmSnapshots.resume`: the guest has certainly not gone on, and its save is as good as before. */
export class NeverRan extends PlatformError {
  constructor(failure: PlatformError) {
    super(failure.code, failure.message, { cause: failure, details: failure.details });
  }
}
