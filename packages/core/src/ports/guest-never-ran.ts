import { PlatformError } from "@microterm/protocol";

/** Of `VmSnapshots.resume`: the guest has certainly not gone on, and its snapshot is as good as before. */
export class GuestNeverRan extends PlatformError {
  constructor(failure: PlatformError) {
    super(failure.code, failure.message, { cause: failure, details: failure.details });
  }
}
