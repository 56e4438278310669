/** The texts of what is built in, by name. The build makes texts.js of the folders policies, hosts, cpus and scenarios; nobody else does. */
export declare const TEXTS: Readonly<
  Record<"policies" | "hosts" | "cpus" | "scenarios", Readonly<Record<string, string>>>
>;
