import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { needs } from "../arch/index.js";
import { builtInCpu } from "../builtin/index.js";
import { policyOf, wordsOf } from "./candidate.js";
import { usualInstructions } from "./instruction.js";
import { Order, type Word } from "./order.js";
import { addTally, emptyTally } from "./search.js";
import { alphabet, type Learnt, piecesOf, Searcher, type Space, sizeOf } from "./space.js";
import { decide, judgeOf, spaceOf } from "./synth.fixture.js";

/** All words of a space, one by one. */
function* every(space: Space): Generator<{ owner: boolean; word: Word }> {
  for (const owner of [true, false])
    for (let words: Word[] = [[]], length = 0; length <= space.length; length++) {
      for (const word of words) yield { owner, word };
      words = words.flatMap((word) => space.instructions.map((_, i) => [...word, i]));
    }
}

const sequenceOf = ({ instructions }: Space, owner: boolean, word: Word) => ({
  owner,
  instructions: word.map((one) => instructions[one]!),
});

function searched(space: Space) {
  const searcher = new Searcher(space, decide, decide);
  const tally = emptyTally();
  for (const piece of piecesOf(space)) addTally(tally, searcher.search(piece).tally);
  return { searcher, tally };
}

test("a space that is searched by boxes has the same sound sequences as one that is searched one by one", () => {
  const space = spaceOf("switch", "arch-minimal", 3, [
    "dsb nsh",
    "dsb nshst",
    "isb",
    "tlbi vmalle1",
    "tlbi vmalls12e1",
  ]);
  const { tally, searcher } = searched(space);
  const judge = judgeOf(space);
  const sound: string[] = [];
  let all = 0;
  for (const { owner, word } of every(space)) {
    all++;
    const sequence = sequenceOf(space, owner, word);
    if (judge.judge(policyOf(sequence, space)).verdict === "sound") sound.push(wordsOf(sequence));
  }
  const refuted = Object.values(tally.refuted).reduce((n, one) => n + one, 0);
  assert.deepEqual([sizeOf(space), tally.sound, refuted, tally.unknown], [all, sound.length, all - sound.length, 0]);
  assert.ok(sound.length > 10);
  // The weakest are those that by one instruction less, or a weaker one, are sound no more.
  assert.deepEqual(searcher.weakest().map(wordsOf).sort(), [
    "tlbi vmalle1; dsb nsh",
    "with owner-vmid: tlbi vmalle1; dsb nsh",
  ]);
  assert.ok(searcher.weakest().every((sequence) => sound.includes(wordsOf(sequence))));
  assert.ok(tally.judged < all / 3, "boxes save nothing");
});

test("what one searcher has learnt, another need not find out", () => {
  const space = spaceOf("switch", "arch-minimal", 3, ["dsb nsh", "isb", "tlbi vmalle1"]);
  const [first, second] = [new Searcher(space, decide, decide), new Searcher(space, decide, decide)];
  const learnt: Learnt[] = piecesOf(space).flatMap((piece) => [...first.search(piece).learnt]);
  second.learn(learnt);
  const tally = emptyTally();
  for (const piece of piecesOf(space)) addTally(tally, second.search(piece).tally);
  assert.deepEqual(
    [tally.judged, tally.sound + Object.values(tally.refuted).reduce((n, one) => n + one, 0)],
    [0, sizeOf(space)],
  );
});

/** Sound sequences on both CPUs, by occasion: what is stronger must be sound too. */
const SOUND: readonly (readonly [
  occasion: "switch" | "split" | "vmid-assigned",
  owner: boolean,
  codes: readonly string[],
])[] = [
  ["switch", false, ["tlbi vmalle1", "dsb nsh"]],
  ["vmid-assigned", true, ["tlbi vmalls12e1is", "dsb ish", "tlbi vmalls12e1is", "dsb ish"]],
  ["split", true, ["dsb ishst", "tlbi vmalls12e1is", "dsb ish", "tlbi vmalls12e1is", "dsb ish"]],
];

for (const cpu of ["arch-minimal", "neoverse-v2"])
  test(`on ${cpu} a sound sequence stays sound when it is made stronger, and an unsound one unsound when it is made weaker`, () => {
    const on = builtInCpu(cpu);
    for (const [occasion, owner, codes] of SOUND) {
      const space = spaceOf(
        occasion,
        cpu,
        9,
        alphabet(occasion, [on]).map(({ code, over }) =>
          over === undefined || over === "zero" ? code : `${code} for ${over}`,
        ),
      );
      const order = new Order(space.instructions, needs(on, "repeat-tlbi"));
      const judge = judgeOf(space);
      const verdict = (word: Word) => judge.judge(policyOf(sequenceOf(space, owner, word), space)).verdict;
      const sound = codes.map((code) => space.instructions.findIndex((one) => one.code === code));
      assert.equal(verdict(sound), "sound");
      const change = fc.tuple(fc.nat(), fc.nat(), fc.boolean());
      fc.assert(
        fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), fc.nat(), fc.nat(), (changes, at, to) => {
          let strong = sound;
          for (const [where, what, insert] of changes) {
            const i = where % strong.length;
            const stronger = order.stronger(strong[i]!);
            if (insert) strong = strong.toSpliced(i, 0, what % order.size);
            else if (stronger.length > 0) strong = strong.with(i, stronger[what % stronger.length]!);
          }
          assert.equal(verdict(strong), "sound", strong.map((one) => space.instructions[one]!.code).join("; "));
          // One way or the other weaker: nothing that was unsound may become sound by going on so.
          const i = at % strong.length;
          const weaker = order.weaker(strong[i]!);
          const weak = weaker.length > 0 ? strong.with(i, weaker[to % weaker.length]!) : strong.toSpliced(i, 1);
          if (verdict(weak) !== "refuted") return;
          assert.equal(verdict(weak.toSpliced(to % weak.length, 1)), "refuted");
        }),
        { numRuns: 6, seed: 16 },
      );
    }
  });

test("the order of TLBIs that no DSB separates, and an ISB among them, makes no difference to a verdict", () => {
  const on = builtInCpu("arch-minimal");
  const space = spaceOf("switch", "arch-minimal", 6, [
    "dsb nsh",
    "dsb nshst",
    "isb",
    "tlbi vmalle1",
    "tlbi vmalle1is",
    "tlbi alle1",
  ]);
  const order = new Order(space.instructions, needs(on, "repeat-tlbi"));
  const judge = judgeOf(space);
  const verdict = (word: Word) => judge.judge(policyOf(sequenceOf(space, false, word), space)).verdict;
  const groupsOf = (word: Word): number[][] =>
    word.reduce<number[][]>((groups, one, i) => {
      if (i > 0 && order.isDsb(word[i - 1]!) === order.isDsb(one)) groups.at(-1)!.push(one);
      else groups.push([one]);
      return groups;
    }, []);
  fc.assert(
    fc.property(fc.array(fc.nat(order.size - 1), { minLength: 2, maxLength: 5 }), fc.boolean(), (word, twice) => {
      const groups = groupsOf(word).map((group) => (twice ? [...group, ...group] : [...group].reverse()));
      assert.equal(verdict(groups.flat()), verdict(word));
    }),
    { numRuns: 25, seed: 16 },
  );
});

test("a local TLBI and a broadcast one are not ordered where the erratum is about broadcast ones", () => {
  const on = usualInstructions([builtInCpu("neoverse-v2")]);
  const [local, broadcast] = ["tlbi vmalle1", "tlbi vmalle1is"].map((code) =>
    on.findIndex((one) => one.code === code),
  ) as [number, number];
  assert.deepEqual(
    [true, false].map((repeat) => new Order(on, repeat).le(local, broadcast)),
    [false, true],
  );
});
