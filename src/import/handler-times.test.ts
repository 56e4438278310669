import assert from "node:assert/strict";
import { test } from "node:test";
import { handlerTimes } from "./handler-times.js";

const times = (text: string) => Object.fromEntries(handlerTimes(text).times);

test("durations of function_graph: of a leaf, at a closing brace that is named, and as trace-cmd reports them", () => {
  const text = ` 3)  @ 1464441 us |  handle_vmalls12e1is();
 2) + 21.500 us   |  } /* handle_ipas2e1is */
 qemu-123 [002]  456.789: funcgraph_entry:  + 10.250 us |  handle_tlbi_el1 [kvm]();
 1)   0.500 us    |  handle_exit();
`;
  assert.deepEqual(times(text), { VMALLS12E1IS: [1464441], IPAS2E1IS: [21.5], VMALLE1IS: [10.25] });
});

test("entries and returns of probes are paired on each CPU; one without the other is told", () => {
  const text = `qemu-1 [001] d..1. 10.000100: handle_vmalls12e1is: (handle_vmalls12e1is+0x0/0x80)
qemu-2 [002] d..1. 10.000200: handle_vmalls12e1is: (handle_vmalls12e1is+0x0/0x80)
qemu-1 [001] d..1. 10.100100: handle_vmalls12e1is__return: (x <- handle_vmalls12e1is)
qemu-3 [003] d..1. 11.000000: probe:handle_alle1is__return: (ffff)
`;
  const { unpaired } = handlerTimes(text);
  assert.deepEqual(times(text).VMALLS12E1IS!.map(Math.round), [100_000]);
  assert.equal(unpaired, 2);
});
