/** Other tools' logs: each told by its first bytes, and read into the events that its lines are. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { describeEvent, type EventBuffer, type Names } from "../trace/index.js";
import { readAnyTrace } from "./index.js";

const folder = mkdtempSync(join(tmpdir(), "shootdown-import-"));
after(() => rmSync(folder, { recursive: true }));

interface Row {
  readonly pcpu: number;
  readonly vmid: number;
  readonly text: string;
  readonly site: string;
  readonly unknown: number;
  readonly time: number;
  readonly took: number;
}

async function read(text: string, format?: string): Promise<{ rows: Row[]; producer: string }> {
  const path = join(folder, "some.log");
  writeFileSync(path, text);
  const rows: Row[] = [];
  const sink = {
    events(b: EventBuffer, names: Names): void {
      for (let i = 0; i < b.length; i++)
        rows.push({
          pcpu: b.pcpu[i]!,
          vmid: b.vmid[i]!,
          text: describeEvent(b, i, names),
          site: names.list[b.site[i]!]!,
          unknown: b.unknown[i]!,
          time: b.time[2 * i]! + b.time[2 * i + 1]! * 2 ** 32,
          took: b.took[2 * i]! + b.took[2 * i + 1]! * 2 ** 32,
        });
    },
  };
  const { info } = await readAnyTrace(path, [sink], {}, undefined, format);
  return { rows, producer: info.producer };
}

const refused = (text: string, message: RegExp, format?: string): Promise<void> =>
  assert.rejects(read(text, format), { name: "InputError", message });

const CASEMATE = `! nothing here is read
(mem-init (id 0) (tid 0) (address 0x80000000) (size 0x1000) (src "mem.c:10"))
(hint (id 1) (tid 0) (kind set_root_lock) (location 0x80000000) (value 80004000) (src "mem.c:11"))
(sysreg-write (id 2) (tid 1) (sysreg vttbr_el2) (value 0x3000080000000) (src "mem.c:12"))
(sysreg-write (id 3) (tid 1) (sysreg mair_el2) (value 0) (src "mem.c:13"))
(lock (id 4) (tid 1) (address 0x80004000) (src "mem.c:14"))
(mem-write (id 5) (tid 1) (mem-order plain) (address 80000008) (value 80001003) (src "mem.c:15"))
(mem-write (id 6) (tid 1) (mem-order release) (address 0x80000008) (value 0) (src "mem.c:16"))
(barrier (id 7) (tid 1) dsb (kind ishst) (src "mem.c:17"))
(tlbi (id 8) (tid 1) ipas2e1is (value 0x40405) (src "mem.c:18"))
(mem-set (id 9) (tid 1) (address 0x80000000) (size 1000) (value 0) (src "mem.c:19"))
(barrier (id 10) (tid 1) isb (src "mem.c:20"))
`;

test("a casemate log: numbers with and without 0x, old values, VMIDs, locks and hints; verdicts are not read", async () => {
  const { rows } = await read(CASEMATE);
  assert.deepEqual(
    rows.map(({ pcpu, vmid, text, site }) => `${pcpu} ${vmid} ${text} @ ${site}`),
    [
      "0 0 mem-init 0x80000000 0x1000 @ mem.c:10",
      "0 0 set_root_lock 0x80000000 0x80004000 @ mem.c:11",
      "1 3 VTTBR_EL2 := 0x3000080000000 (VMID 3), was 0x0 @ mem.c:12",
      "1 3 lock 0x80004000 @ mem.c:14",
      "1 3 S0[1] 0x80000008: 0 -> table 0x80001000 @ mem.c:15",
      "1 3 S0[1] 0x80000008: table 0x80001000 -> 0, release @ mem.c:16",
      "1 3 DSB ISHST @ mem.c:17",
      "1 3 TLBI IPAS2E1IS IPA 0x40405000 @ mem.c:18",
      "1 3 ISB @ mem.c:20",
    ],
  );
});

test("a casemate log with a line that is none of its steps is refused with the line", async () => {
  await refused(
    `${CASEMATE}(tlbi (id 11) (tid 0) vmalls13 (src "x:1"))\n`,
    /some\.log:13: 'tlbi vmalls13' is not known/,
  );
  await refused(`${CASEMATE}(barrier (id 11)`, /some\.log:13: expected a step of casemate's/);
  await refused(`${CASEMATE}(lock (id 1) (tid 300) (address 0) (src "x:1"))\n`, /tid 300, expected 0 to 255/);
  await refused(
    `${CASEMATE}(mem-write (id 1) (tid 0) (mem-order plain) (address 4) (value 0) (src "x:1"))\n`,
    /a multiple of 8/,
  );
});

/** The same three TLBIs as ftrace and trace-cmd print them, with a probe at the second one. */
const FTRACE = `# tracer: nop
#
     CPU 0/KVM-812   [003] .....   512.345678: kvm_exit: TRAP: HSR_EC: 0x0018 (SYS64), PC: 0x00000a0000265f40
     CPU 0/KVM-812   [003] .....   512.345701: kvm_sys_access: PC: a0000265f40 OP_TLBI_VMALLS12E1IS (1,4,8,3,6) write
     CPU 1/KVM-813   [001] .....   512.400000: kvm_exit: TRAP: HSR_EC: 0x0018 (SYS64), PC: 0x00000a0000265f80
     CPU 1/KVM-813   [001] .....   512.400010: kvm_sys_access: PC: a0000265f80 TLBI IPAS2E1IS (1,4,8,0,1) write
     CPU 1/KVM-813   [001] .....   512.400011: tlbi: (handle_ipas2e1is+0x0/0x1a8) regval=0x40405 vttbr=0x200013ffcc000
     CPU 1/KVM-813   [001] .....   512.400110: kvm_entry: PC: 0x00000a0000265f84
     CPU 0/KVM-812   [003] .....   513.810120: kvm_entry: PC: 0x00000a0000265f44
     CPU 1/KVM-813   [001] .....   514.000000: kvm_guest_fault: ipa 0xca839000, hsr 0x92000007, hxfar 0x0, pc 0x0
     CPU 1/KVM-813   [001] .....   514.100000: kvm_sys_access: PC: a0000265f90 TLBI RIPAS2E1IS (1,4,8,0,2) write
     CPU 1/KVM-813   [001] .....   514.100001: kvm_entry: PC: 0x00000a0000265f94
`;
const TOLD = [
  { pcpu: 1, vmid: 2, text: "TLBI IPAS2E1IS IPA 0x40405000", site: "0xa0000265f80", unknown: 0, took: 110_000 },
  { pcpu: 0, vmid: 0, text: "TLBI VMALLS12E1IS", site: "0xa0000265f40", unknown: 2, took: 1_464_442_000 },
  { pcpu: 1, vmid: 0, text: "translation fault at stage 2 L3: VA 0x0, IPA 0xca839000", site: "", unknown: 2, took: 0 },
  { pcpu: 1, vmid: 0, text: "TLBI RIPAS2E1IS operand unknown", site: "0xa0000265f90", unknown: 3 },
];

test("KVM's tracepoints: the five numbers say the TLBI, a probe its operand; without one it is unknown, not 0", async () => {
  const { rows, producer } = await read(FTRACE);
  assert.equal(producer, "KVM trace");
  for (const [i, told] of TOLD.entries()) assert.deepEqual({ ...rows[i]!, ...told }, rows[i], `row ${i}`);
  assert.equal(rows[1]!.time, 512_345_678_000);
});

test("the same lines as trace-cmd report and perf script have them are the same events", async () => {
  const { rows } = await read(FTRACE);
  const traceCmd = FTRACE.replace(/^#.*\n/gm, "").replaceAll(" .....", "");
  assert.deepEqual((await read(`cpus=4\n${traceCmd}`)).rows, rows);
  const perf = traceCmd
    .replace(/KVM-(\d+)/g, "KVM   $1")
    .replace(/: kvm_/g, ":   kvm:kvm_")
    .replace(": tlbi:", ":   probe:tlbi:");
  assert.deepEqual((await read(perf)).rows, rows);
});

test("function_graph alone tells how long handlers took; which TLBI handle_tlbi_el1 was is left out, and said", async () => {
  const { rows, producer } = await read(`# tracer: function_graph
# CPU  DURATION                  FUNCTION CALLS
 3) $ 1464441 us  |  handle_vmalls12e1is();
 3)   12.345 us   |  handle_tlbi_el1();
 2)               |  kvm_handle_guest_abort() {
 2) + 40.000 us   |    handle_ipas2e1is();
`);
  assert.deepEqual(
    rows.map(({ pcpu, text, took, unknown }) => [pcpu, text, took, unknown]),
    [
      [3, "TLBI VMALLS12E1IS", 1_464_441_000, 2],
      [2, "TLBI IPAS2E1IS operand unknown", 40_000, 3],
    ],
  );
  assert.match(producer, /incomplete: 1 handle_tlbi_el1/);
});

test("what is asked for as a log of a tool, and is none, is refused", async () => {
  await refused("hello\n", /no event of KVM's in it/, "kvm");
  await refused("hello\n", /expected a step of casemate's/, "casemate");
});
