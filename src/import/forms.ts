/** Forms of other tools' logs. Nothing behind this door needs Node. */
import type { StreamForm } from "../trace/file.js";
import { CASEMATE } from "./casemate.js";
import { KVM_TRACE } from "./kvm-trace.js";
import { TARMAC } from "./tarmac.js";
import { XENTRACE } from "./xentrace.js";

/** By name, each told by its first bytes. */
export const FORMS: Readonly<Record<string, StreamForm>> = {
  casemate: CASEMATE,
  kvm: KVM_TRACE,
  tarmac: TARMAC,
  xentrace: XENTRACE,
};
export const IMPORTERS: readonly StreamForm[] = Object.values(FORMS);
