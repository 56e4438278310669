import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { builtInText, policyNames } from "../builtin/index.js";
import { fromFragment, type Linked, textHash, toFragment } from "./link.js";

const linkTo = (json: unknown): string =>
  `s1.${deflateRawSync(typeof json === "string" ? json : JSON.stringify(json)).toString("base64url")}`;

test("a link gives back what it was made of", async () => {
  const name = fc.string({ maxLength: 100 });
  const state = fc.record<Linked>(
    {
      v: fc.constant(1 as const),
      view: fc.constantFrom("policy" as const, "litmus" as const, "trace" as const, "compare" as const),
      policy: fc.oneof(
        fc.record({ text: fc.string({ unit: "grapheme" }) }),
        fc.record({ name, hash: fc.constant("0123abcd") }),
      ),
      cpu: name,
      story: fc.record({ occasion: name, cpu: name, scenario: name, step: fc.nat(100) }),
      seen: fc.dictionary(fc.constantFrom("revoke", "switch"), name, { noNullPrototype: true }),
    },
    { requiredKeys: ["v", "view"], noNullPrototype: true },
  );
  await fc.assert(
    fc.asyncProperty(state, async (linked) => {
      assert.deepEqual(await fromFragment(await toFragment(linked)), JSON.parse(JSON.stringify(linked)));
    }),
    { numRuns: 50 },
  );
});

test("a link to any built-in policy, with its whole text and a story, has less than 2,000 characters", async () => {
  for (const name of policyNames()) {
    const story = { occasion: "revoke", cpu: "neoverse-v2", scenario: "revoke.other-pcpu.current.1.read", step: 7 };
    const seen = { revoke: "unsound", batch: "unsound", switch: "sound", split: "sound" };
    const text = builtInText("policies", name);
    const link = await toFragment({ v: 1, view: "policy", policy: { text }, cpu: "neoverse-v2", story, seen });
    assert.ok(link.length < 2000, `${name}: ${link.length}`);
  }
});

test("a link that is cut off, changed, too large or of another form is refused with what is wrong", async () => {
  const good = await toFragment({ v: 1, view: "policy", policy: { text: "name = 1" } });
  const refused = (link: string, why: RegExp) => assert.rejects(fromFragment(link), why);
  await refused(good.slice(0, -5), /cut off or changed/);
  await refused(`${good.slice(0, 12)}!${good.slice(12)}`, /cut off or changed/);
  await refused(`s9.${good.slice(3)}`, /begins with 's9\./);
  await refused(linkTo("not JSON"), /cut off or changed/);
  await refused(linkTo({ v: 2, view: "policy" }), /^Error: v: /);
  await refused(linkTo({ v: 1, view: "elsewhere" }), /view: /);
  await refused(linkTo({ v: 1, view: "policy", policy: { text: "x".repeat(100_001) } }), /policy/);
  // A little that unfolds to very much.
  await refused(linkTo({ v: 1, view: "policy", cpu: "x".repeat(50_000_000) }), /unfolds to more than/);
  await refused("s1.".padEnd(300_000, "A"), /has 300000 characters/);
});

test("what stands behind a link in a mail does it no harm", async () => {
  const good = await toFragment({ v: 1, view: "trace" });
  for (const end of [".", ")", ">.", "',"]) assert.deepEqual(await fromFragment(good + end), { v: 1, view: "trace" });
});

test("a link may say how it was asked and what was priced, within bounds", async () => {
  const said = { v: 1, view: "policy", choices: { granule: "16K", fb: false, without: ["a"], errata: ["1"] } } as const;
  assert.deepEqual(await fromFragment(linkTo(said)), said);
  const about = { pages: 512, touched: 65_536 };
  assert.deepEqual(await fromFragment(linkTo({ v: 1, view: "policy", about })), { v: 1, view: "policy", about });
  for (const wrong of [{ pages: 513 }, { touched: -1 }, { pages: 1.5 }])
    await assert.rejects(fromFragment(linkTo({ v: 1, view: "policy", about: wrong })), /about\./);
  await assert.rejects(fromFragment(linkTo({ v: 1, view: "policy", choices: { granule: "4M" } })), /choices\.granule/);
});

test("what a newer version says besides is left out, and nothing is no link", async () => {
  assert.deepEqual(await fromFragment(linkTo({ v: 1, view: "trace", colour: "red" })), { v: 1, view: "trace" });
  assert.equal(await fromFragment(""), undefined);
});

test("texts are told apart by their hash", () => {
  assert.notEqual(textHash("tlbi vmalle1"), textHash("tlbi vmalle1is"));
  assert.equal(textHash(""), "811c9dc5");
});
