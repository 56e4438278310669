/**
 * A vCPU comes back to a pCPU after it ran on another one. A guest's local TLBIs are for the pCPU where its vCPU is; what they
 * missed elsewhere it may find again when it comes there. With HCR_EL2.FB = 1 they are broadcast, and nothing is left; with
 * FB = 0 (`fb = false` of a policy, or --no-fb) there must be code for the move. (KVM's RFC of 22 October 2020 has both.)
 */
import type { CpuProfile } from "../../arch/index.js";
import type { Policy } from "../../policy/index.js";
import type { Setting } from "./domains.js";
import type { Scenario } from "./scenario.js";
import { leftPcpu } from "./switch.js";

/** Every scenario of a move under a policy. */
export const movedScenarios = (policy: Policy, cpu: CpuProfile, setting: Setting): Scenario[] =>
  [false, true].map((between) => leftPcpu("vcpu-moved", policy, cpu, setting, between));
