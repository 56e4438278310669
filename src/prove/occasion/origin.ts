/**
 * Where the instructions of a scenario come from. Behind each one that a policy's code gave stands a remark, "// NAME:LINE
 * [OCCASION]", which people read in litmus tests. What is decided goes without: policies that run the same code share scenarios.
 */
import type { Occasion } from "../../policy/index.js";
import { entryOf } from "../litmus/assembler.js";
import { el2Handler, LOWER_EL, type Scenario, vectorsOf } from "./scenario.js";

/** A line of a policy's code; `policy` names the one in whose file it stands, which may be a base. */
export interface Origin {
  readonly policy: string;
  readonly occasion: Occasion;
  readonly line: number;
}

/** The remark behind an instruction. */
export const originRemark = ({ policy, occasion, line }: Origin): string => `      // ${policy}:${line} [${occasion}]`;
const REMARK = / {6}\/\/ ([a-z0-9][a-z0-9.-]*):(\d+) \[([a-z-]+)\]$/;

/** The scenario without origins. */
export const withoutOrigins = (scenario: Scenario): Scenario => ({
  ...scenario,
  pcpus: scenario.pcpus.map((pcpu) => ({
    ...pcpu,
    lines: pcpu.lines.map((line) => line.replace(REMARK, "")),
    hypervisor: pcpu.hypervisor.map((line) => line.replace(REMARK, "")),
  })),
});

/** Origins by the addresses of the instructions. */
export function originsOf({ pcpus }: Scenario): ReadonlyMap<number, Origin> {
  const origins = new Map<number, Origin>();
  const read = (lines: readonly string[], address: number): void => {
    let at = address;
    for (const line of lines) {
      if (/^\w+:$/.test(line)) continue;
      const [, policy, number, occasion] = REMARK.exec(line) ?? [];
      if (policy !== undefined) origins.set(at, { policy, occasion: occasion as Occasion, line: Number(number) });
      at += 4;
    }
  };
  pcpus.forEach(({ lines, hypervisor }, i) => {
    read(lines, entryOf(i));
    read(el2Handler(hypervisor), vectorsOf(i).el2 + LOWER_EL);
  });
  return origins;
}
