import { z } from "zod";

/** Ids are lower-case alphanumeric so that they fit host names, cgroups and URLs unquoted. */
export const EnvironmentId = z
  .string()
  .regex(/^[a-z0-9]{12}$/)
  .brand<"EnvironmentId">();
export type EnvironmentId = z.infer<typeof EnvironmentId>;

export const MachineId = z
  .string()
  .regex(/^[a-z0-9]{16}$/)
  .brand<"MachineId">();
export type MachineId = z.infer<typeof MachineId>;

/** Of a network that environments share. */
export const NetworkId = z
  .string()
  .regex(/^[a-z0-9]{12}$/)
  .brand<"NetworkId">();
export type NetworkId = z.infer<typeof NetworkId>;

export const TerminalId = z
  .string()
  .regex(/^[a-z0-9]{1,32}$/)
  .brand<"TerminalId">();
export type TerminalId = z.infer<typeof TerminalId>;

export const OwnerId = z
  .string()
  .regex(/^[a-z0-9]{8,32}$/)
  .brand<"OwnerId">();
export type OwnerId = z.infer<typeof OwnerId>;

/** A DNS label (RFC 1123) of up to 32 characters, so that a name can become a host name. */
export const EnvironmentName = z
  .string()
  .regex(
    /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/,
    "a name has 1 to 32 lower-case letters, digits and hyphens, and starts and ends with a letter or digit",
  );
