import { type Account, AccountId, type CreateAccount, PlatformError, type UpdateAccount } from "@microterm/protocol";
import type { Actor } from "../access/actor.ts";
import { assertAllowed } from "../access/authorize.ts";
import type { Act } from "../audit/audit-log.ts";
import type { AccountEntry, AccountRow } from "../ports/repositories/account-repository.ts";
import type { AccountContext } from "./account-context.ts";
import type { AccountService } from "./account-service.ts";
import { assertUncommon } from "./password-rules.ts";

const LINK_LIFETIME_MS = 10 * 60_000;
const RESET_LIFETIME_MS = 24 * 3_600_000;
/** How long the environments of a disabled account go on to run: an admin can hand them to somebody else until then. */
const GRACE_SECONDS = 24 * 3600;

type Administration = Pick<
  AccountService,
  "list" | "add" | "change" | "remove" | "createLink" | "createReset" | "acceptReset" | "hasPasswordAdmin" | "onLimited"
>;

export function createAdministration(context: AccountContext): Administration {
  const { storage, audit, credentials, passwords, random, sha256 } = context;

  async function require(reference: string): Promise<AccountRow> {
    const found = await storage.accounts.find(reference);
    if (found !== null) return found;
    throw new PlatformError("ACCOUNT_NOT_FOUND", `there is no account '${reference.slice(0, 64)}'`);
  }

  async function view(id: AccountRow["id"]): Promise<Account> {
    const found = (await storage.accounts.list()).find((one) => one.id === id);
    if (found === undefined) throw new PlatformError("ACCOUNT_NOT_FOUND", "the account was removed meanwhile");
    return toAccount(found);
  }

  async function add(actor: Actor, { name, role }: CreateAccount) {
    assertAllowed(actor, "accounts.change", actor);
    context.assertLocalAccounts();
    const account: AccountRow = {
      ...{ id: AccountId.parse(random.id(12)), name, role, passwordHash: null },
      ...{ disabledAt: null, stopsAt: null, lastSeenAt: null, createdAt: context.now() },
    };
    const act = { action: "account.created", target: account.id, detail: { name, role } } as const;
    const issued = await audit.change(actor, act, async (to) => {
      await to.accounts.insert(account);
      return credentials.issue("reset", account.id, { lifetimeMs: RESET_LIFETIME_MS }, to);
    });
    return { ...issued, account };
  }

  async function change(actor: Actor, reference: string, wish: UpdateAccount): Promise<Account> {
    assertAllowed(actor, "accounts.change", actor);
    const { id, disabledAt } = await require(reference);
    const { role, disabled, graceSeconds = GRACE_SECONDS } = wish;
    const disable = { disabledAt: disabledAt ?? context.now(), stopsAt: context.after(graceSeconds * 1000) };
    const patch = {
      ...(role === undefined ? {} : { role }),
      ...(disabled === undefined ? {} : disabled ? disable : { disabledAt: null, stopsAt: null }),
    };
    const removed = await audit.change(actor, actsOf(id, wish), async (to) => {
      if ((await to.accounts.change(id, patch)) === null) return null;
      return disabled === true
        ? to.credentials.removeAll(id, ["session", "link", "oidc", "reset", "known-browser"])
        : [];
    });
    if (removed === null) return view(id);
    credentials.close(removed);
    // What it may do is looked at where a connection begins: those that there are begin anew.
    await credentials.closeAll(id);
    if (disabled === true) await context.limited({ account: id, to: "disabled" });
    else if (role === "visitor") await context.limited({ account: id, to: "visitor" });
    return view(id);
  }

  const remove: Administration["remove"] = async (actor, reference, transferAll) => {
    assertAllowed(actor, "accounts.change", actor);
    const { id, name } = await require(reference);
    const transfer = await transferAll?.(id);
    const act = { action: "account.removed", target: id, detail: { name } } as const;
    const hashes = await audit.change(actor, [...(transfer?.acts ?? []), act], async (to) => {
      await transfer?.run(to);
      const all = await to.credentials.hashesOf(id);
      return (await to.accounts.remove(id)) ? all : null;
    });
    if (hashes === null) throw new PlatformError("ACCOUNT_NOT_FOUND", "the account was removed meanwhile");
    transfer?.done();
    credentials.close(hashes);
  };

  async function createReset(actor: Actor, reference: string) {
    assertAllowed(actor, "accounts.change", actor);
    context.assertLocalAccounts();
    const account = await require(reference);
    const issued = await audit.change(actor, { action: "account.reset", target: account.id }, async (to) => {
      // Of two at once, the second one takes the place of the first.
      if ((await to.accounts.lock(account.id)) === null) return null;
      await to.credentials.removeAll(account.id, ["reset"]);
      return credentials.issue("reset", account.id, { lifetimeMs: RESET_LIFETIME_MS }, to);
    });
    if (issued === null) throw new PlatformError("ACCOUNT_NOT_FOUND", "the account was removed meanwhile");
    return { ...issued, account };
  }

  return {
    async list(actor) {
      assertAllowed(actor, "accounts.read", actor);
      return (await storage.accounts.list()).map(toAccount);
    },

    add(actor, wish) {
      const { name, role } = wish;
      return audit.attempt(actor, { action: "account.created", detail: { name, role } }, () => add(actor, wish));
    },

    async createLink(actor, reference) {
      assertAllowed(actor, "account.manage", actor);
      // It lets anyone who has it be that person: for who has the host, and could do that anyway.
      if (actor.origin.via !== "data-folder") {
        throw new PlatformError("FORBIDDEN", "sign-in links are made on the host alone: an admin gives out a reset");
      }
      const account = await require(reference ?? actor.owner);
      const issued = await credentials.issue("link", account.id, { lifetimeMs: LINK_LIFETIME_MS });
      // Not kept from an admin who comes to repair a log that cannot be written.
      await audit.note(actor, { action: "link.created", target: account.id, detail: { name: account.name } });
      return { ...issued, account };
    },

    change: (actor, reference, wish) =>
      audit.attempt(actor, actsOf(reference, wish), () => change(actor, reference, wish)),

    remove: (actor, reference, transferAll) =>
      audit.attempt(actor, { action: "account.removed", target: reference }, () =>
        remove(actor, reference, transferAll),
      ),

    createReset: (actor, reference) =>
      audit.attempt(actor, { action: "account.reset", target: reference }, () => createReset(actor, reference)),

    async acceptReset({ code, password }, arrival) {
      context.assertLocalAccounts();
      const hash = sha256(code);
      const invalid = () => new PlatformError("RESET_INVALID", "this link was used, has expired, or never was");
      const found = await storage.credentials.findWithAccount(hash, context.now());
      if (found?.credential.kind !== "reset") throw await context.wrongCode("reset", arrival.address, invalid());
      assertUncommon(password, found.account.name);
      const passwordHash = await passwords.hash(password);
      const prepared = credentials.prepareSession(found.account, arrival);
      const act = { action: "password.changed", target: found.account.id } as const;
      const accepted = await audit.change(prepared.actor, act, (to) =>
        to.accounts.acceptReset(hash, passwordHash, context.now()),
      );
      if (accepted === null) throw invalid();
      credentials.close(accepted.removed);
      return context.enter(prepared, accepted.account, { way: "reset", arrival });
    },

    hasPasswordAdmin: () => storage.accounts.hasPasswordAdmin(),

    onLimited(listener) {
      context.limitedListeners.add(listener);
    },
  };
}

function actsOf(target: string, { role, disabled }: UpdateAccount): readonly Act[] {
  return [
    ...(role === undefined ? [] : [{ action: "account.changed", target, detail: { role } } as const]),
    ...(disabled === undefined ? [] : [{ action: disabled ? "account.disabled" : "account.enabled", target } as const]),
  ];
}

function toAccount(entry: AccountEntry): Account {
  const { passwordHash, id, name, role, hasIdentity, environments, isDataFolder } = entry;
  const { disabledAt, stopsAt, lastSeenAt, createdAt } = entry;
  return {
    ...{ id, name, role, hasPassword: passwordHash !== null, hasIdentity, isDataFolder, environments },
    ...{ disabledAt, stopsAt, lastSeenAt, createdAt },
  };
}
