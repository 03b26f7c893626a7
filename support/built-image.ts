import { testImage } from "./test-image.ts";

/** For vitest's `globalSetup`: the image is made once, before files that all need it begin side by side. */
export default async function setup(): Promise<void> {
  await testImage();
}
