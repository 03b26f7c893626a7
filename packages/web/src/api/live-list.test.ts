import type { Environment } from "@microterm/protocol";
import { describe, expect, test } from "vitest";
import { createLiveList } from "./live-list.ts";

const environment = (id: string, state: Environment["state"]): Environment => ({ id, state }) as Environment;

describe("the live list", () => {
  test("an event that overtakes the answer to a create wins", () => {
    const live = createLiveList();
    const list = live.changed([], "a", environment("a", "running"));
    expect(live.created(list, environment("a", "creating"))).toEqual([environment("a", "running")]);
    expect(live.created([], environment("b", "creating"))).toEqual([environment("b", "creating")]);
  });
  test("an event that comes while a list is asked for wins over the list", () => {
    const live = createLiveList();
    const mark = live.mark();
    live.changed([], "a", environment("a", "running"));
    live.changed([], "b", null);
    const answer = [environment("a", "creating"), environment("b", "running"), environment("c", "stopped")];
    expect(live.updated(answer, mark)).toEqual([environment("c", "stopped"), environment("a", "running")]);
  });
  test("a list that was asked for after an event wins over the event", () => {
    const live = createLiveList();
    live.changed([], "a", environment("a", "running"));
    expect(live.updated([environment("a", "stopped")], live.mark())).toEqual([environment("a", "stopped")]);
  });
  test("what was removed does not come back by a late answer", () => {
    const live = createLiveList();
    const list = live.changed([environment("a", "creating")], "a", null);
    expect(live.created(list, environment("a", "creating"))).toEqual([]);
  });
});
