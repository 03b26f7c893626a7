import { OwnerId, type Role } from "@microterm/protocol";
import type { AccountRow } from "../ports/repositories/account-repository.ts";

/** An account as tests need one. */
export function accountRow(id: string, createdAt: string, role: Role = "member"): AccountRow {
  return {
    ...{ id: OwnerId.parse(id), name: id, role, passwordHash: null },
    ...{ disabledAt: null, stopsAt: null, lastSeenAt: null, createdAt },
  };
}
