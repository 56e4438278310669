/** Loads and stores of a way, in symbols. */
import type { A64 } from "../arch/index.js";
import type { Machine } from "./machine.js";
import { number, operate, type Value } from "./value.js";

/** A load or a store; true for a store to what is not the stack. */
export function access(machine: Machine, does: Extract<A64, { kind: "load" | "store" }>): boolean {
  const address = machine.value(does.address);
  const parts = does.registers.map((register, i) => ({
    register,
    address: operate("add", address, number(BigInt(i * does.bytes))),
  }));
  if (does.kind === "load") {
    const values = parts.map(({ address: from }) =>
      does.opaque ? machine.unknown(`[${from.text}]`) : machine.load(from, does.bytes),
    );
    machine.assign(does.sets, "base");
    for (const [i, { register }] of parts.entries())
      machine.write(register, does.signed ? unknownOr(values[i]!, does.bytes) : values[i]!);
    return false;
  }
  let outside = parts.length === 0 && machine.stackOffset(address) === undefined;
  for (const { register, address: to } of parts)
    outside = machine.store(to, does.bytes, does.opaque ? undefined : machine.read(register)) || outside;
  machine.assign(does.sets, "status");
  return outside;
}

/** Of a value that is extended from its sign only numbers stay what they are. */
const unknownOr = (value: Value, bytes: number): Value =>
  value.kind === "number" ? value : operate("sext", value, number(BigInt(8 * bytes)));
