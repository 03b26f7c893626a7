export { type BuildOptions, type BuiltImage, buildImage } from "./build.ts";
export type { CommandOptions, CommandResult, CommandRunner } from "./command-runner.ts";
export { type AptSources, findAptSources } from "./debian/apt-sources.ts";
export { BUILD_STEPS, type BuildStep, ImageBuildError, ImageCorruptError } from "./image-error.ts";
export { type CorruptFile, type ImageManifest, type ImageVerdict, readManifest, verifyImage } from "./manifest.ts";
export { type ExportOptions, exportImage, exportServerImage } from "./oci/export-image.ts";
export { type Layer, type OciArchive, writeOciArchive } from "./oci/oci-archive.ts";
export type { BuildProgress, ProgressListener } from "./progress.ts";
export { imageKey } from "./recipe.ts";
