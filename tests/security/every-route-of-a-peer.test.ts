/** What concerns an environment, asked of a server that does not hold it: both servers together refuse what one does. */
import { openFleet } from "../../support/fleet.ts";
import { walkRoutes } from "./route-walk.ts";

walkRoutes(
  async () => {
    const fleet = await openFleet();
    const [holder, asked] = [await fleet.start(), await fleet.start()];
    return { asked, holder, dispose: fleet.dispose };
  },
  (operation) => /\/(?:environments|shared)\/\{/.test(operation),
);
