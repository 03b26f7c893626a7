import { expect, it } from "vitest";
import { as, type FakeFleet, makeEnvironments, withFakeFleet } from "../../support/cluster/fake-fleet.ts";
import { kubectl } from "../../support/cluster/in-cluster.ts";
import { statementsDuring } from "../../support/postgres-statements.ts";

const NODES = 20;
const ENVIRONMENTS = 500;
const SAMPLE = 5;
/** Beyond the batches in which changes are looked at afterwards. */
const AFTERWARDS_MS = 1_000;
const LABEL = "{.metadata.labels.microterm\\.dev/environment}";

/** Of some creates together, but for what who waits for one reads over and over. */
async function statementsOfCreates(fake: FakeFleet, from: number): Promise<number> {
  const all = await statementsDuring(fake.fleet.cluster, async () => {
    await makeEnvironments(fake, SAMPLE, { from, parallel: 1 });
    await new Promise((resolve) => setTimeout(resolve, AFTERWARDS_MS));
  });
  return all.filter((text) => !text.startsWith('select * from "environments" where "id" = $1 and "owner" = $2')).length;
}

it("has 500 environments run by two servers, each once, with as many statements for the last as for the first", async () => {
  await withFakeFleet(NODES, async (fake) => {
    const first = await statementsOfCreates(fake, 0);
    await makeEnvironments(fake, ENVIRONMENTS - 2 * SAMPLE, { from: SAMPLE });
    const last = await statementsOfCreates(fake, ENVIRONMENTS - SAMPLE);
    // How many changes are looked at together is a matter of chance; what grew with the environments would be a hundred times as much.
    expect(last).toBeLessThan(1.5 * first);

    const seen = new Set<string>();
    for (const owner of await fake.owners(ENVIRONMENTS)) {
      const lists = await Promise.all(fake.servers.map((server) => as(server, owner, "GET", "/v1/environments")));
      for (const { environments } of lists) {
        expect(environments).toHaveLength(100);
        for (const { id, state, terminals } of environments) {
          expect([state, terminals.length]).toEqual(["running", 1]);
          seen.add(id);
        }
      }
    }
    expect(seen.size).toBe(ENVIRONMENTS);
    const labels = await kubectl("get", "pods", "--output", `jsonpath={range .items[*]}${LABEL}{"\\n"}{end}`);
    expect(labels.trim().split("\n").sort()).toEqual([...seen].sort());
  });
  for (const resource of ["pods", "secrets", "networkpolicies"]) {
    expect(await kubectl("get", resource, "--output", "name")).toBe("");
  }
});
