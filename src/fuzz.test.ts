/** The fuzzer itself: scripts are not compiled, so that nothing else would notice what it calls by a name that is gone. */
import assert from "node:assert/strict";
import { test } from "node:test";

interface Random {
  below(n: number): number;
}
interface FuzzKind {
  make(r: Random): unknown;
  try(input: unknown, r: Random): unknown;
}

const of = (file: string): string => new URL(`../scripts/fuzz/${file}`, import.meta.url).href;
const { KINDS } = (await import(of("kinds.mjs"))) as { KINDS: Readonly<Record<string, FuzzKind>> };
const { random } = (await import(of("mutate.mjs"))) as { random: (seed: number) => Random };
/** Cases of each kind. */
const CASES = 3;

for (const [kind, { make, try: attempt }] of Object.entries(KINDS))
  test(`damaged inputs of the kind '${kind}' are answered, the same ones for the same seed`, async () => {
    for (let seed = 1; seed <= (kind === "command" ? 1 : CASES); seed++) {
      assert.deepEqual(make(random(seed)), make(random(seed)));
      const r = random(seed);
      await attempt(make(r), r);
    }
  });
