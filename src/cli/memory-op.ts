/** `--memory-op`: commands that do_memory_op has in a Xen of the user's own. */
import { InvalidArgumentError } from "commander";
import { LAST_MEMORY_OP, memoryOpName } from "../capture/index.js";

/** Adds `29=XENMEM_remove_from_physmap_batch` to the names of memory_op numbers; refuses what Xen itself has. */
export function memoryOp(text: string, before: ReadonlyMap<number, string> = new Map()): ReadonlyMap<number, string> {
  const match = /^(\d{1,3})=(XENMEM_[a-z0-9_]{1,64})$/.exec(text);
  if (!match || Number(match[1]) > LAST_MEMORY_OP)
    throw new InvalidArgumentError(
      `Expected NUMBER=XENMEM_name with a number up to ${LAST_MEMORY_OP}, such as 29=XENMEM_remove_from_physmap_batch.`,
    );
  const [number, name] = [Number(match[1]), match[2]!];
  const known = memoryOpName(number);
  if (known !== undefined) throw new InvalidArgumentError(`${number} is ${known} in Xen.`);
  for (let other = 0; other <= LAST_MEMORY_OP; other++)
    if (memoryOpName(other) === name || (other !== number && before.get(other) === name))
      throw new InvalidArgumentError(`${name} is number ${other}.`);
  if (before.has(number) && before.get(number) !== name)
    throw new InvalidArgumentError(`${number} is named ${before.get(number)} already.`);
  return new Map([...before, [number, name]]);
}
