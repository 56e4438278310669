/** The result of a probe as a value that JSON holds, read back from a file for `diff` and `calibrate`. */
import * as v from "valibot";
import { tlbiOp } from "../arch/index.js";
import type { countTlbi, Host } from "../host/index.js";
import { InputError } from "../input/index.js";
import { type Cell, STATES } from "./cells.js";
import { CPUS, type HostMachine } from "./machine.js";
import { differences, hostOn, predict, type Setting, singleOf } from "./predict.js";
import type { ProbeCounts, ProbeOptions } from "./probe.js";
import { ELEMENTARY } from "./probe-script.js";
import { PAGE_SIZES } from "./setup.js";

const whole = v.pipe(v.number(), v.integer(), v.minValue(0));
const tlbis = v.record(v.string(), whole);
const count = {
  tlbi: tlbis,
  instructions: whole,
  exits: whole,
  fullExits: whole,
  faults: whole,
  interrupts: whole,
};
const counted = v.strictObject({ ...count, leavesDropped: v.nullable(whole), refaultInstructions: v.nullable(whole) });
const cell = v.strictObject({
  op: v.string(),
  operand: v.string(),
  xt: v.pipe(v.string(), v.regex(/^0x[0-9a-f]+$/)),
  state: v.string(),
  counted: v.nullable(counted),
  predicted: v.strictObject({ tlbi: tlbis, instructions: v.number(), leavesDropped: whole }),
  differences: v.array(v.string()),
});
const schema = v.strictObject({
  probe: v.literal(1),
  kernel: v.string(),
  qemu: v.string(),
  cpu: v.picklist(CPUS),
  paBits: whole,
  pageSize: v.picklist(PAGE_SIZES),
  hostPages: v.picklist(["huge", "small"]),
  erratum: v.boolean(),
  host: v.string(),
  unknown: v.array(v.string()),
  elementary: v.strictObject(
    Object.fromEntries(Object.keys(ELEMENTARY).map((name) => [name, v.strictObject(count)])) as Record<
      keyof typeof ELEMENTARY,
      ReturnType<typeof v.strictObject<typeof count, undefined>>
    >,
  ),
  cells: v.array(cell),
});

export type ProbeResult = v.InferOutput<typeof schema>;
export type ProbeCell = ProbeResult["cells"][number];

/** What was counted, with what the model's host says of each cell. */
export function probeResult(
  counts: ProbeCounts,
  { machine, pageSize, hostPages }: ProbeOptions,
  host: Host,
): ProbeResult {
  const setting = settingOf(machine, { pageSize, hostPages });
  return {
    probe: 1,
    kernel: counts.kernel,
    qemu: counts.qemuVersion,
    cpu: machine.cpu,
    ...setting,
    host: host.name,
    unknown: counts.missing.map((name) => `what is counted by calls of ${name}: this kernel has no such symbol`),
    elementary: counts.elementary,
    cells: counts.cells.map(({ cell, counted }) => {
      const predicted = predict(cell, host, setting);
      return {
        op: cell.op.name,
        operand: cell.operand.name,
        xt: `0x${cell.operand.value.toString(16)}`,
        state: cell.state.name,
        counted: counted ?? null,
        predicted,
        differences: counted ? differences(counted, predicted) : [],
      };
    }),
  };
}

const settingOf = (
  { paBits, erratum }: HostMachine,
  { pageSize, hostPages }: Pick<ProbeOptions, "pageSize" | "hostPages">,
): Setting => ({ paBits, pageSize, hostPages, erratum });

/** True where a text may be a probe's: what is not JSON of that form is something else. */
export const looksLikeProbe = (text: string): boolean => /^\s*\{\s*"probe":/.test(text);

/** The probe in a file's text; an InputError that names the file where it is none. */
export function parseProbe(text: string, file: string): ProbeResult {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw InputError.at(file, 0, "is no whole JSON, expected what 'shootdown probe -o' has written");
  }
  const parsed = v.safeParse(schema, value);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  throw InputError.at(file, 0, `is no probe (${v.getDotPath(issue) ?? "the whole"}: ${issue.message})`);
}

/** A cell of a file as it was counted. An InputError where it has a state that no probe has. */
function probeCell({ op, operand, xt, state }: ProbeCell): Cell {
  const found = STATES.find(({ name }) => name === state);
  if (!found) throw new InputError(`a probe has the unknown state '${state}'`);
  return { op: tlbiOp(op), operand: { name: operand, value: BigInt(xt) }, state: found };
}

/** Each cell of a probe as a TLBI that the model can count on a host. */
export function probeSingles(
  probe: ProbeResult,
  host: Host,
): { readonly cell: ProbeCell; readonly single: Parameters<typeof countTlbi>[0] }[] {
  const on = hostOn(host, probe);
  return probe.cells.map((cell) => ({ cell, single: singleOf(probeCell(cell), on, probe) }));
}
