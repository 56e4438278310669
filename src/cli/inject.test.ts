/** `shootdown inject`: the Image, the listing and the way back; and everything that it refuses. */
import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { findDistribution } from "../capture/index.js";
import { shootdown } from "./command.fixture.js";

const debian = findDistribution();
const skip = debian ? false : "SKIPPED: Debian's Xen is not here: run scripts/setup-debian.sh";
if (skip) console.error(skip);
const folder = mkdtempSync(join(tmpdir(), "shootdown-inject-"));
after(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);
const xen = (): string[] => ["--xen", debian!.xen, "--xen-syms", debian!.xenSyms];

interface Word {
  readonly address: number;
  readonly before: number;
  readonly after: number;
  readonly line?: { readonly occasion: string; readonly code?: string };
}

/** Text without its line ends. */
const words = (text: string): string => text.replace(/\s+/g, " ");

/** Offsets of the words in which two Images of one length differ. */
function differing(a: Buffer, b: Buffer): number[] {
  assert.equal(a.length, b.length);
  const list: number[] = [];
  for (let offset = 0; offset + 4 <= a.length; offset += 4)
    if (a.readUInt32LE(offset) !== b.readUInt32LE(offset)) list.push(offset);
  return list;
}

test("the Image differs from the original in the words that are listed, and undo leads back to the same bytes", {
  skip,
}, async () => {
  const done = await shootdown(["inject", "kvm-ipa", ...xen(), "-o", at("patched"), "--json"]);
  assert.deepEqual([done.status, done.err], [0, ""]);
  const told = JSON.parse(done.out) as { base: number; words: Word[]; occasions: string[] };
  assert.deepEqual(told.occasions, ["revoke", "split", "switch"]);
  const [original, patched] = [readFileSync(debian!.xen), readFileSync(at("patched"))];
  const listed = new Map(told.words.map((word) => [word.address - told.base, word]));
  for (const offset of differing(original, patched)) assert.ok(listed.has(offset), offset.toString(16));
  for (const [offset, { before, after }] of listed)
    assert.deepEqual([original.readUInt32LE(offset), patched.readUInt32LE(offset)], [before, after]);
  const codes = told.words.flatMap(({ line }) => (line?.occasion === "revoke" && line.code ? [line.code] : []));
  assert.deepEqual(
    [...new Set(codes)].filter((code) => /^(dsb|tlbi)/.test(code)),
    ["dsb ishst", "tlbi ipas2e1is, ipa, ttl", "dsb ish", "tlbi vmalle1is"],
  );
  writeFileSync(at("listing.json"), done.out);
  const undo = ["inject", "--undo", at("listing.json"), "--xen"];
  const back = await shootdown([...undo, at("patched"), "-o", at("back")]);
  assert.deepEqual(
    [back.status, back.out],
    [0, `${at("back")}: kvm-ipa is out again, ${told.words.length} words; SHA-256 is the original's.\n`],
  );
  assert.ok(readFileSync(at("back")).equals(original));
  assert.match(
    (await shootdown([...undo, debian!.xen, "-o", at("x")])).err,
    /is not the Image that .*listing\.json is about: another SHA-256\n$/,
  );
  const told2 = { ...told, words: told.words.slice(1) };
  writeFileSync(at("short.json"), JSON.stringify(told2));
  assert.match(
    (await shootdown(["inject", "--undo", at("short.json"), "--xen", at("patched"), "-o", at("x")])).err,
    /does not lead back to the original/,
  );
  writeFileSync(at("broken.json"), "{}");
  assert.match(
    (await shootdown(["inject", "--undo", at("broken.json"), "--xen", at("patched"), "-o", at("x")])).err,
    /broken\.json: is no JSON of 'shootdown inject --json'/,
  );
});

test("the listing has address by symbol, words, assembly and the policy's line", { skip }, async () => {
  const { status, out } = await shootdown(["inject", "switch-vmalle1", ...xen(), "-o", at("switch")]);
  assert.equal(status, 0);
  assert.match(words(out), /was put in for switch: 4 words, hooked at p2m_restore_state\+0x68 \(in place\)\./);
  assert.match(out, /p2m_restore_state\+0x6c {2}d50c87df {2}d508871f {2}tlbi vmalle1 {2}switch:\d+ tlbi vmalle1/);
});

test("a policy that this Xen executes changes no byte", { skip }, async () => {
  const { out } = await shootdown(["inject", "xen-today", ...xen(), "-o", at("same")]);
  assert.match(words(out), /executes xen-today as it is: nothing was put in\./);
  assert.ok(readFileSync(at("same")).equals(readFileSync(debian!.xen)));
});

/** A policy's file with that revoke code. */
function policy(name: string, code: string, more = ""): string {
  const text = `name = "${name}"\ntitle = "t"\nsource = "s"\nbase = "xen-today"\n${more}\n[revoke]\ndue = "unlock"\ncode = """\n${code}\n"""\n`;
  writeFileSync(at(`${name}.toml`), text);
  return at(`${name}.toml`);
}

test("what cannot be put in is refused in one sentence, with status 1 and no file", { skip }, async () => {
  const owner = (code: string): string => `with owner-vmid\n${code}\nend`;
  const refused: [string, RegExp][] = [
    ["remove-batch", /it removes pages in batches, and Xen has no such hypercall/],
    ["batch-range", /it removes pages in batches/],
    ["vmid-per-vcpu", /it has a VMID for each vcpu, and Xen one for each domain/],
    ["va-ipa-range", /its \[revoke\] goes over VAs, and Xen knows none/],
    [policy("ipis", owner("on every-pe\ntlbi vmalle1\nend")), /its \[revoke\] sends IPIs/],
    [
      policy("around", "dsb ishst\ntlbi vmalls12e1is\ndsb ish"),
      /its \[revoke\] is not one 'with owner-vmid' around all/,
    ],
    [policy("asks", owner("if owner-current\ntlbi vmalle1is\nend\ndsb ish")), /asks 'if owner-current'/],
    [policy("unknown", owner("unknown")), /its \[revoke\] says that what is executed is unknown/],
    [policy("fb", owner("tlbi vmalls12e1is"), "fb = false"), /it wants HCR_EL2\.FB = 0/],
    [policy("granule", owner("tlbi vmalls12e1is"), 'granule = "16K"'), /pages of another granule/],
    [
      policy("own", owner("tlbi vmalls12e1is\ndsb ish"), '[domain-dies]\ncode = ""'),
      /it has code of its own for \[domain-dies\], and where that occasion is Xen's code does not say/,
    ],
  ];
  for (const [name, why] of refused) {
    const { status, out, err } = await shootdown(["inject", name, ...xen(), "-o", at("never")]);
    assert.deepEqual([status, out], [1, ""], name);
    assert.match(err, why);
    assert.equal(err.trim().split("\n").length, 1, err);
  }
  assert.throws(() => readFileSync(at("never")), /ENOENT/);
});

test("files that do not belong together, and a call that is none, are refused", { skip }, async () => {
  const said = async (...args: string[]): Promise<[number | null, string]> => {
    const { status, err } = await shootdown(["inject", ...args]);
    return [status, err];
  };
  const [status, err] = await said("kvm-ipa", "--xen", debian!.kernel, "--xen-syms", debian!.xenSyms, "-o", at("x"));
  assert.equal(status, 1);
  assert.match(err, /is of another build than/);
  copyFileSync(debian!.xen, at("alone"));
  assert.match(
    (await said("kvm-ipa", "--xen", at("alone"), "-o", at("x")))[1],
    /no xen-syms beside it; name it with --xen-syms/,
  );
  assert.equal((await said("--xen", at("alone"), "-o", at("x")))[0], 2);
  assert.equal((await said("kvm-ipa", "--undo", at("l"), "--xen", at("alone"), "-o", at("x")))[0], 2);
  assert.equal((await said("kvm-ipa", "-o", at("x")))[0], 2);
  assert.match((await said("nothing", ...xen(), "-o", at("x")))[1], /no policy is named 'nothing'/);
});
