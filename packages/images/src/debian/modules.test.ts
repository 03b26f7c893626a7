import { describe, expect, test } from "vitest";
import { BOOT_MODULES, moduleName, modulesInOrder, parseModulesDep } from "./modules.ts";

const DEP = `kernel/fs/erofs/erofs.ko: kernel/lib/libcrc32c.ko
kernel/lib/libcrc32c.ko:
kernel/drivers/virtio/virtio.ko:
kernel/drivers/virtio/virtio_ring.ko:
kernel/drivers/virtio/virtio_mmio.ko: kernel/drivers/virtio/virtio_ring.ko kernel/drivers/virtio/virtio.ko
kernel/drivers/char/hw_random/virtio-rng.ko: kernel/drivers/virtio/virtio_ring.ko kernel/drivers/virtio/virtio.ko
`;
const VSOCK_DEP = `kernel/net/vmw_vsock/vsock.ko:
kernel/net/vmw_vsock/vmw_vsock_virtio_transport.ko: kernel/net/vmw_vsock/vmw_vsock_virtio_transport_common.ko kernel/drivers/virtio/virtio_ring.ko kernel/drivers/virtio/virtio.ko kernel/net/vmw_vsock/vsock.ko
kernel/net/vmw_vsock/vmw_vsock_virtio_transport_common.ko: kernel/net/vmw_vsock/vsock.ko
`;
const BUILTIN = "kernel/fs/ext4/ext4.ko\nkernel/fs/mbcache.ko\n";

describe("modulesInOrder", () => {
  test("puts what a module needs before it, in modprobe's order, and nothing twice", () => {
    const order = modulesInOrder({ wanted: ["virtio_mmio", "virtio_rng", "erofs"], dep: DEP, builtin: BUILTIN });
    expect(order.map(moduleName)).toEqual(["virtio", "virtio_ring", "virtio_mmio", "virtio_rng", "libcrc32c", "erofs"]);
  });

  test("loads vsock for guests whose VMM has no virtio-serial", () => {
    const wanted = BOOT_MODULES.filter((name) => /vsock|mmio/.test(name));
    const order = modulesInOrder({ wanted, dep: DEP + VSOCK_DEP, builtin: BUILTIN });
    const vsock = ["vsock", "vmw_vsock_virtio_transport_common", "vmw_vsock_virtio_transport"];
    expect(order.map(moduleName)).toEqual(["virtio", "virtio_ring", "virtio_mmio", ...vsock]);
  });

  test("leaves out what is built in", () => {
    expect(modulesInOrder({ wanted: ["ext4"], dep: DEP, builtin: BUILTIN })).toEqual([]);
  });

  test("names a module that the kernel lacks", () => {
    expect(() => modulesInOrder({ wanted: ["overlay"], dep: DEP, builtin: BUILTIN })).toThrow("no module overlay");
  });
});

test("a line without a colon is refused", () => {
  expect(() => parseModulesDep("kernel/a.ko")).toThrow(RangeError);
});
