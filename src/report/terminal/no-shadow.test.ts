import assert from "node:assert/strict";
import { test } from "node:test";
import { guestlessText, noShadowText } from "./no-shadow.js";

test("TLBIs without a shadow are told by VMID and by why, without a word where each found one", () => {
  assert.equal(noShadowText({ ran: {}, notRun: {} }, [1], 80), "");
  assert.equal(
    noShadowText({ ran: { 3: 5 }, notRun: { 2: 1, 4: 1200, all: 2 } }, [2, 3], 200),
    `1,208 TLBIs found no shadow stage-2 when nested, for the price of a trap alone:
- 1 under VMID 2 and 2 for every VMID, before a guest ran there, as a new p2m's first flush is
- 5 under VMID 3, after the host had recycled its shadow
- 1,200 under VMID 4, where no guest of the trace runs (if one did: --ran 4)
`,
  );
});

test("a trace without any guest is warned of, with the option that names its VMIDs", () => {
  const list = { ran: {}, notRun: { 1: 7, 9: 1 } };
  const warning = /^list shows no guest that runs, .* far too low: name their VMIDs \(--ran 1,9\)/;
  assert.match(guestlessText(list, [], 300, "list"), warning);
  assert.ok(noShadowText(list, [], 300).includes("This trace shows no guest"));
  assert.equal(guestlessText(list, [2], 300), "");
  assert.match(guestlessText({ ran: {}, notRun: { all: 1 } }, [], 300), /--ran VMID\)/);
});
