/**
 * The host's exits that no TLBI causes. A trace from a counted host tells them one by one; any other only its hypercalls, each of
 * which leaves L2 for the host, which enters L1, whose ERET leaves for the host again.
 */

import { EXIT_NAMES, type ExitName } from "../../trace/index.js";
import { byName } from "../counts.js";
import type { NestedPrice } from "./prices.js";
import { HANDLER_FUNCTIONS, HANDLERS, type Tally } from "./tally.js";

/** The price of an exit that a trace tells; of shadow faults the model has its own count. An ERET is half of a round trip. */
const PRICED: Readonly<Partial<Record<ExitName, NestedPrice>>> = {
  "host-fault": "host-fault",
  "to-hypervisor": "round-trip",
  translate: "translate",
  register: "register",
  device: "device",
  interrupt: "interrupt",
};

/** KVM's function for each exit (arch/arm64/kvm). */
const FUNCTIONS: Readonly<Record<ExitName, string>> = {
  "shadow-fault": "kvm_handle_guest_abort",
  "host-fault": "kvm_handle_guest_abort (of L1)",
  "to-hypervisor": "kvm_inject_nested",
  "to-guest": "kvm_emulate_nested_eret",
  translate: "kvm_handle_sys_reg (AT)",
  register: "kvm_handle_sys_reg (registers)",
  device: "io_mem_abort",
  interrupt: "interrupts of the host",
  other: "others",
};

const calls = (hypercalls: Readonly<Record<string, number>>): number =>
  Object.values(hypercalls).reduce((sum, n) => sum + n, 0);

/** Exits, and the elementary steps of what the host does in them beside the exit itself. */
export function exitsOf(
  tally: Tally,
  hypercalls: Readonly<Record<string, number>>,
): { readonly exits: number; readonly steps: Readonly<Partial<Record<NestedPrice, number>>> } {
  if (!tally.exitsTold) return { exits: 2 * calls(hypercalls), steps: { "round-trip": calls(hypercalls) } };
  const told = EXIT_NAMES.map((name, i) => ({ name, n: tally.exits[i]! })).filter(
    ({ name }) => name !== "shadow-fault",
  );
  return {
    exits: told.reduce((sum, { n }) => sum + n, 0),
    steps: Object.fromEntries(told.filter(({ name }) => PRICED[name]).map(({ name, n }) => [PRICED[name], n])),
  };
}

/**
 * All exits by KVM's function: those of TLBIs, shadow faults as the model has them, and the others as far as they are told. `own`:
 * TLBIs of the hypervisor's own stage 1 trap, too.
 */
export function kindsOf(
  tally: Tally,
  hypercalls: Readonly<Record<string, number>>,
  own: boolean,
): Record<string, number> {
  const handled = tally.handled.map((n, i) => (HANDLERS[i] === "el2" && !own ? 0 : n));
  const tlbis = byName(handled, (i) => HANDLER_FUNCTIONS[HANDLERS[i]!]);
  const faults = tally.firstFaults + tally.refaults;
  const told = byName(
    EXIT_NAMES.map((name, i) => (name === "shadow-fault" ? faults : numberOf(tally, name, i, hypercalls))),
    (i) => FUNCTIONS[EXIT_NAMES[i]!],
  );
  return { ...tlbis, ...told };
}

function numberOf(tally: Tally, name: ExitName, i: number, hypercalls: Readonly<Record<string, number>>): number {
  if (tally.exitsTold) return tally.exits[i]!;
  return name === "to-hypervisor" || name === "to-guest" ? calls(hypercalls) : 0;
}
