import { execFileSync } from "node:child_process";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface TestKeyPair {
  readonly cert: string;
  readonly key: string;
  /** For clients that trust it. */
  readonly ca: string;
}

export interface KeyPairOptions {
  /** `DNS:name` and `IP:address`, which the certificate is for. */
  readonly names: readonly string[];
  /** Of its files: `NAME.pem` and `NAME.key`, replaced where they are there. */
  readonly name?: string;
  /** The time of `-enddate` of openssl-ca(1): `20200102000000Z`. In some years by default. */
  readonly endsAt?: string;
}

/** Makes a self-signed certificate and its key in `folder`, both renamed into place. */
export function makeKeyPair(
  folder: string,
  { names, name = "tls", endsAt = "20450101000000Z" }: KeyPairOptions,
): TestKeyPair {
  const at = (file: string): string => join(folder, file);
  const openssl = (...args: readonly string[]): void =>
    void execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  writeFileSync(
    at("ca.cnf"),
    [
      ...["[ca]", "default_ca=this", "[this]", "new_certs_dir=.", "database=index", "rand_serial=yes"],
      ...[
        "default_md=sha256",
        "policy=any",
        "x509_extensions=names",
        "unique_subject=no",
        "[any]",
        "commonName=supplied",
      ],
      ...["[names]", `subjectAltName=${names.join(",")}`, "basicConstraints=critical,CA:true", ""],
    ].join("\n"),
  );
  writeFileSync(at("index"), "");
  const subject = ["-subj", `/CN=${name}`];
  openssl(
    "req",
    "-new",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
    ...subject,
    "-keyout",
    "new.key",
    "-out",
    "new.csr",
  );
  const dates = ["-startdate", "20200101000000Z", "-enddate", endsAt];
  openssl(
    "ca",
    "-config",
    "ca.cnf",
    "-batch",
    "-selfsign",
    "-notext",
    "-keyfile",
    "new.key",
    "-in",
    "new.csr",
    "-out",
    "new.pem",
    ...dates,
  );
  const files = { cert: at(`${name}.pem`), key: at(`${name}.key`) };
  renameSync(at("new.key"), files.key);
  renameSync(at("new.pem"), files.cert);
  return { ...files, ca: readFileSync(files.cert, "latin1") };
}
