/** What is done with a machine before it runs freely: breakpoints, and what only the memory of a running Xen tells. */
import {
  Directmap,
  type DirectmapValues,
  directmapVariables,
  FrameTable,
  type FrameTableShape,
  findSites,
  type XenText,
} from "../binary/index.js";
import { GdbConnection } from "./gdb-connection.js";
import { GdbTarget } from "./gdb-target.js";
import type { Recording } from "./recording.js";

/** Bytes of a pointer, and of Xen's numbers of frames. */
const POINTER = 8;

/** A machine that waits for its first instruction. */
interface Waiting {
  /** Unix socket of its GDB stub */
  readonly gdb: string;
  readonly text: XenText;
  /** pages of code to be translated one instruction a block */
  readonly pages: readonly number[];
  readonly recording: Recording;
  /** of this build; undefined where its code does not say it */
  readonly frameTable: FrameTableShape | undefined;
  /** told of each answer of the stub */
  readonly answered: () => void;
}

/**
 * Breakpoints that are never reached, one a page; then Xen up to the building of dom0, when it is known how it runs. From
 * where Xen has just patched its alternatives, what is logged is what they make of the code.
 */
export async function prepare(
  { gdb, pages, text, recording, frameTable, answered }: Waiting,
  signal: AbortSignal,
): Promise<{ connection: GdbConnection; repeatsTlbis: boolean }> {
  const connection = await GdbConnection.open(gdb, signal, answered);
  const target = new GdbTarget(connection);
  // No instruction begins at an odd address, but QEMU translates the page of a breakpoint one instruction a block.
  for (const page of pages) await target.setBreakpoint(page + 1);
  const dom0 = text.functionNamed("create_dom0")?.address;
  let repeatsTlbis = false;
  if (dom0 !== undefined) {
    const patched = alternativesPatched(text);
    const stops = patched === undefined ? [dom0] : [patched, dom0];
    for (const stop of stops) await target.setBreakpoint(stop);
    for (let at = 0; at !== dom0; ) {
      await target.continueToStop();
      at = Number(await target.programCounter());
      if (await readAlternatives(target, text)) {
        repeatsTlbis = true;
        recording.setSites(findSites(text));
      }
      await target.removeBreakpoint(at);
    }
    const directmap = await readDirectmap(target, text);
    if (directmap !== undefined) recording.setDirectmap(directmap);
    if (directmap !== undefined && frameTable !== undefined)
      recording.setFrameTable(
        new FrameTable(frameTable, await target.readNumber(frameTable.basePdx, POINTER), directmap),
      );
  }
  target.continue();
  return { connection, repeatsTlbis };
}

/**
 * Where Xen comes back to from patching its alternatives on every CPU (apply_alternatives_all, asm/alternative.c): what it
 * flushes from there on it flushes with them. Undefined when that cannot be told, or nothing hangs on it.
 */
function alternativesPatched(text: XenText): number | undefined {
  const [all, stopMachine] = [text.functionNamed("apply_alternatives_all"), text.functionNamed("stop_machine_run")];
  if (text.alternatives.length === 0 || !all || !stopMachine) return undefined;
  const calls = text.branchesTo(stopMachine.address).filter(({ from, call }) => call && text.functionAt(from) === all);
  return calls.length === 1 ? calls[0]!.from + 4 : undefined;
}

/** Which alternatives Xen has put in place: the text is made the same. True when there are new ones with TLBIs. */
async function readAlternatives(target: GdbTarget, text: XenText): Promise<boolean> {
  let any = false;
  for (const { address, words } of text.alternatives) {
    const there: number[] = [];
    for (let i = 0; i < words.length; i++) there.push(Number(await target.readNumber(address + 4 * i, 4)));
    if (there.some((word, i) => word !== text.word(address + 4 * i))) {
      text.patch(address, there);
      any = true;
    }
  }
  return any;
}

async function readDirectmap(target: GdbTarget, text: XenText): Promise<Directmap | undefined> {
  const variables = directmapVariables((name) => text.variableNamed(name));
  if (typeof variables === "string") return undefined;
  const values: Partial<Record<keyof DirectmapValues, bigint>> = {};
  for (const { key, address, bytes } of variables) values[key] = await target.readNumber(address, bytes);
  return new Directmap(values as DirectmapValues);
}
