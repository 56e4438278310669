import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { shootdown } from "./command.fixture.js";

const folder = mkdtempSync(join(tmpdir(), "shootdown-synthesize-"));
after(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);

/** A search of a moment. */
const SWITCH = ["synthesize", "--occasion", "switch", "--cpu", "arch-minimal", "--length", "2", "--host", "bare-metal"];

test("the cheapest for a vCPU switch is Linux's VMALLE1 with its DSB, written as a policy that prove finds sound", async () => {
  const files = ["-o", at("best.toml"), "--report", at("best.html")];
  const { status, out, err } = await shootdown([...SWITCH, "--granule", "16K", ...files]);
  assert.equal(status, 0, err);
  assert.match(out, /The cheapest, by price on bare-metal\n.*\n +2 .* tlbi vmalle1; dsb nsh\n/);
  assert.match(out, /sound, [\d,]+ fail, none is undecided/);
  // What granule the tables have makes no difference to a whole VMID; prices are of 4 KiB.
  assert.match(out.replaceAll("\n", " "), /all tables have the 16 KiB granule\. Held against/);
  assert.match(out, /Prices are of tables of 4 KiB: no others are simulated/);
  assert.match(readFileSync(at("best.html"), "utf8"), /<h2>How the others fail<\/h2>/);
  const proved = await shootdown([
    "prove",
    at("best.toml"),
    "--occasion",
    "switch",
    "--cpu",
    "arch-minimal",
    "--expect",
    "sound",
  ]);
  assert.equal(proved.status, 0, proved.err);
});

test("nothing is called the cheapest where something is undecided, and what is undecided is named", async () => {
  const { status, out, err } = await shootdown([...SWITCH, "--max-states", "40"]);
  assert.equal(status, 0, err);
  assert.match(out, /\d are undecided/);
  assert.doesNotMatch(out, /The cheapest/);
  assert.match(out, /undecided\n- .*: switch\..* on arch-minimal: unknown/);
});

test("a search goes on from what it kept, and comes to the same end", async () => {
  const first = await shootdown([...SWITCH, "--resume", at("kept.jsonl"), "--json"]);
  assert.equal(first.status, 0, first.err);
  const lines = readFileSync(at("kept.jsonl"), "utf8").trimEnd().split("\n");
  writeFileSync(
    at("half.jsonl"),
    lines
      .slice(0, Math.ceil(lines.length / 2))
      .map((line) => `${line}\n`)
      .join(""),
  );
  const again = await shootdown([...SWITCH, "--resume", at("half.jsonl"), "--json"]);
  const result = (text: string) => {
    const { certificate, front, space } = JSON.parse(text);
    return { sound: certificate.sound, space, front };
  };
  assert.deepEqual(result(again.out), result(first.out));
  const whole = await shootdown([...SWITCH, "--resume", at("kept.jsonl"), "--json"]);
  assert.equal(JSON.parse(whole.out).certificate.judged, JSON.parse(first.out).certificate.judged);
  const other = await shootdown([...SWITCH, "--occasion", "split", "--resume", at("kept.jsonl")]);
  assert.deepEqual([other.status, other.out], [1, ""]);
  assert.match(other.err, /kept\.jsonl:1: another search/);
  writeFileSync(at("broken.jsonl"), `${lines[0]}\n{"piece":\n`);
  assert.match(
    (await shootdown([...SWITCH, "--resume", at("broken.jsonl")])).err,
    /broken\.jsonl:2: expected a searched piece/,
  );
});

test("what cannot be searched is one clear error", async () => {
  const fails = async (...words: string[]) => (await shootdown([...SWITCH, ...words])).err;
  assert.match(await fails("--occasion", "lunch"), /unknown occasion 'lunch', expected revoke/);
  assert.match(await fails("--length", "99"), /--length 99: expected a whole number up to 16/);
  assert.match(await fails("--with", "ipas2e1is"), /--with: no instruction 'ipas2e1is'/);
  assert.match(await fails("--without", "tlbi nothing"), /--without: no instruction 'tlbi nothing'/);
});
