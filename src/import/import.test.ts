/** Other tools' logs: each told by its first bytes, and read into the events that its lines are. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { builtInCpu } from "../builtin/index.js";
import { Checker } from "../check/index.js";
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

/** A root, a table and a page, as a Fast Model tells them: built before VTTBR_EL2 is written, and one page removed again. */
const TARMAC = `1000 ps cluster0.cpu0 IT (1) 80000000 d51c2142 O EL2h_n : MSR      VTCR_EL2,x2
1000 ps cluster0.cpu0 R VTCR_EL2 00000000:80000059
2000 ps cluster0.cpu0 R X9 0000000000241003
2000 ps cluster0.cpu0 IT (2) 80000004 f9000109 O EL2h_n : STR      x9,[x8,#0]
2000 ps cluster0.cpu0 MW8 90240000:000000240000_NS 00000000_00241003
3000 ps cluster0.cpu0 MW4 90241008:000000241008_NS 008007fd
3000 ps cluster0.cpu0 MW8 90fff000:000000fff000_NS 00000000_00000001
4000 ps cluster0.cpu0 R X3 0003000000240000
4000 ps cluster0.cpu0 IT (3) 80000008 d51c2103 O EL2h_n : MSR      VTTBR_EL2,x3
4000 ps cluster0.cpu0 IT (4) 8000000c d5033fdf O EL2h_n : ISB
5000 ps cluster0.cpu1 TTW DTLB LPAE 1:3 000000777018 00000000009007fd : BLOCK ATTRIDX=3 ADDR=0x0000000000900000
6000 ps cluster0.cpu0 TTW DTLB LPAE 2:1 000000240000 0000000000241003 : TABLE ADDR=0x0000000000241000
6000 ps cluster0.cpu0 TTW DTLB LPAE 2:2 000000241008 00000000008007fd : BLOCK ATTRIDX=15 ADDR=0x0000000000800000
7000 ps cluster0.cpu0 IT (5) 80000010 f900011f O EL2h_n : STR      xzr,[x8,#0]
7000 ps cluster0.cpu0 MW8 90241008:000000241008_NS 00000000_00000000
7000 ps cluster0.cpu0 IT (6) 80000014 d5033a9f O EL2h_n : DSB      ISHST
8000 ps cluster0.cpu0 IT (7) 80000018 d50c8025 O EL2h_n : TLBI     IPAS2E1IS,x5
8000 ps cluster0.cpu0 R TLBI IPAS2E1IS 00000000:00000200
8000 ps cluster0.cpu1 IT (1) 80000018 d50c8024 O EL2h_n : TLBI     IPAS2E1IS,x4
9000 ps cluster0.cpu0 IS (8) 8000001c d50c83df O EL2h_n : TLBI     VMALLS12E1IS
9000 ps cluster0.cpu0 IT (9) 80000020 d5033b9f O EL2h_n : DSB      ISH
9100 ps cluster0.cpu0 TTW ITLB LPAE 2:2 000000241008 0000000000000000 : FAULT
`;

test("Tarmac: operands come from registers, a store counts once its page is a table, a walk is an access", async () => {
  const { rows, producer } = await read(TARMAC);
  assert.deepEqual(
    rows.map(({ pcpu, vmid, text, unknown }) => `${pcpu} v${vmid} ${text}${unknown === 0 ? "" : ` ?${unknown}`}`),
    [
      "0 v0 VTCR_EL2 := 0x80000059, was 0x0",
      "0 v3 VTTBR_EL2 := 0x3000000240000 (VMID 3), was 0x0",
      "0 v3 S2 L2[1] 0x241008: 0 -> block 0x800000 rwx AF",
      "0 v3 S2 L1[0] 0x240000: 0 -> table 0x241000",
      "0 v3 ISB",
      "0 v3 read VA 0x0 -> IPA 0x200000 -> PA 0x800000, mapped at L2 ?1",
      "0 v3 S2 L2[1] 0x241008: block 0x800000 rwx AF -> 0",
      "0 v3 DSB ISHST",
      "0 v3 TLBI IPAS2E1IS IPA 0x200000",
      "1 v0 TLBI IPAS2E1IS operand unknown ?1",
      "0 v3 DSB ISH",
      "0 v3 translation fault at stage 2 L2: VA 0x0, IPA 0x200000 ?1",
    ],
  );
  assert.equal(producer, "Tarmac trace");
  assert.deepEqual([rows[8]!.site, rows[8]!.time], ["0x80000018", 8]);
});

test("Tarmac of gem5: clk is no time, W registers are wide, and what VTCR_EL2 was to say is said to lack", async () => {
  const { rows, producer } = await read(`0 clk cpu0 IT (1) 002105d4 52800083 O EL2h_s :   MOVZ   W3, #4, #0
0 clk cpu0 R W3 00000004
250 clk cpu0 IT (2) 002105d8 d50c8023 O EL2h_s :   TLBI   IPAS2E1IS, X3
500 clk cpu0 R X3 0001000000240000
500 clk cpu0 IT (3) 002105dc d51c2103 O EL2h_s :   MSR   VTTBR_EL2, X3
`);
  assert.deepEqual(
    rows.map(({ text, time }) => [text, time]),
    [
      ["TLBI IPAS2E1IS IPA 0x4000", 0],
      ["VTTBR_EL2 := 0x1000000240000 (VMID 1), was 0x0", 0],
    ],
  );
  assert.match(producer, /incomplete: stage-2 tables under VTTBR_EL2: VTCR_EL2 is not written/);
});

const XENTRACE = `CPU0  163840000 (+       0)  switch_infprev    [ dom:vcpu = 0x7fff0000, runtime = 900 ]
CPU0  163840010 (+      10)  switch_infnext    [ new_dom:vcpu = 0x00010003, time = 4100, r_time = 30000000 ]
CPU0  163840020 (+      10)  __enter_scheduler [ prev<dom:vcpu> = 0x7fff0000, next<dom:vcpu> = 0x00010003 ]
CPU1  163850000 (+    9980)  switch_infnext    [ new_dom:vcpu = 0x7fff0001, time = 0, r_time = -1 ]
CPU0  163860000 (+   10000)  switch_infnext    [ new_domid = 0x00000002, time = 1, r_time = 2 ]
`;

test("xentrace: who comes in on a pCPU, once for both of its events; no idle vCPU, and none that is not named", async () => {
  const { rows, producer } = await read(XENTRACE);
  assert.deepEqual(
    rows.map(({ pcpu, text, unknown }) => [pcpu, text, unknown]),
    [
      [0, "{ vcpu-switch d1 to vCPU 3", 2],
      [0, "} vcpu-switch d1", 2],
    ],
  );
  assert.match(producer, /incomplete: 1 switches that name a domain and no vCPU/);
});

test("switches whose VMID nothing says are no collisions, and check says that it did not look", async () => {
  const checker = new Checker(builtInCpu("arch-minimal"));
  const path = join(folder, "switches.log");
  const line = (vcpu: number): string =>
    `CPU0  1 (+ 1)  switch_infnext [ new_dom:vcpu = 0x0001000${vcpu}, time = 1, r_time = 1 ]`;
  writeFileSync(path, [0, 1, 0, 1].map(line).join("\n"));
  await readAnyTrace(path, [checker]);
  const { findings, unknown } = checker.finish();
  assert.deepEqual(findings, []);
  assert.ok(
    unknown.some((one) => /4 marks have no VMID/.test(one)),
    unknown.join("\n"),
  );
});

test("what is asked for as a log of a tool, and is none, is refused", async () => {
  await refused("hello\n", /no event of KVM's in it/, "kvm");
  await refused("hello\n", /expected a step of casemate's/, "casemate");
  await refused("hello\n", /no A64 instruction in it/, "tarmac");
  await refused("hello\n", /no line of xentrace_format's in it/, "xentrace");
});
