import { expect, it } from "vitest";
import { clientNetworkOf } from "./client-network.ts";

it.each([
  ["192.0.2.1", "192.0.2.1"],
  ["::ffff:192.0.2.1", "192.0.2.1"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
  ["2001:db8:1:2::6", "2001:db8:1:2"],
  ["2001:db8::6", "2001:db8:0:0"],
  ["2001:db8:0:0::9", "2001:db8:0:0"],
  ["2001:0db8::6", "2001:db8:0:0"],
  ["::1", "0:0:0:0"],
  ["", ""],
  [null, ""],
])("takes %j for the network %j", (address, network) => {
  expect(clientNetworkOf(address)).toBe(network);
});
