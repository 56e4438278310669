import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EventError } from "./buffer.js";
import { Kind, Names } from "./event.js";
import { MarkReader, markName, named, OUTSIDE, parseMark } from "./marks.js";

/** The phase after each of the marks: "+name" begins one, "-name" ends it. */
function phases(...marks: readonly string[]): string[] {
  const names = new Names();
  const reader = new MarkReader();
  return marks.map((mark, i) => {
    const id = names.id(markName("phase", mark.slice(1)));
    reader.learn(names);
    reader.event(mark[0] === "+" ? Kind.begin : Kind.end, id, i);
    return reader.what(reader.phase);
  });
}

test("an event is in the phase begun last of those that are open", () => {
  assert.deepEqual(phases("+a", "+b", "-b", "-a"), ["a", "b", "a", OUTSIDE]);
  assert.deepEqual(phases("+a", "+b", "-a", "-b"), ["a", "b", "b", OUTSIDE], "an end closes its own phase only");
});

test("an end closes the innermost open phase of its name", () => {
  assert.deepEqual(phases("+a", "+b", "+a", "-a", "-b", "-a"), ["a", "b", "a", "b", "a", OUTSIDE]);
});

test("what is begun and not ended is open to the end of the trace", () => {
  assert.deepEqual(phases("+a", "+b"), ["a", "b"]);
});

test("an end without a begin is refused, and says which event it is", () => {
  const refused = (...marks: string[]): void =>
    assert.throws(
      () => phases(...marks),
      (error) =>
        error instanceof EventError &&
        error.index === marks.length - 1 &&
        error.message === "the end of 'phase:a', which was not begun",
    );
  refused("-a");
  refused("+a", "-a", "-a");
  refused("+b", "-a");
});

test("an end without a begin is refused for every class of marks; it may come from another pCPU", () => {
  const names = new Names();
  const reader = new MarkReader();
  const call = names.id("hypercall:x");
  reader.learn(names);
  assert.equal(reader.event(Kind.begin, call, 0), false, "it is no phase's");
  assert.equal(reader.event(Kind.end, call, 1), false);
  assert.throws(() => reader.event(Kind.end, call, 2), /the end of 'hypercall:x', which was not begun/);
});

test("names that stand for something else in every answer are refused for phases", () => {
  assert.throws(() => phases("+total"), /a phase cannot be named 'total', which stands for the whole trace/);
  assert.throws(() => phases("+other"), /a phase cannot be named 'other', which stands for what is outside any phase/);
});

test("more phases than anybody can read are refused, by name and by depth", () => {
  const many = Array.from({ length: 1024 }, (_, i) => [`+${i}`, `-${i}`]).flat();
  phases(...many, "+1", "-1");
  assert.throws(() => phases(...many, "+x"), /more than 1024 different phases/);
  assert.throws(() => phases(...Array.from({ length: 1025 }, () => "+a")), /1024 phases begun and not ended/);
});

test("a mark is a class and what follows its first colon", () => {
  assert.deepEqual(parseMark("phase:a:b"), { of: "phase", what: "a:b" });
  for (const name of ["p2m_set_entry", "phase", "pause:x", ":x", "", "constructor:x", "__proto__:x"])
    assert.equal(parseMark(name), undefined, name);
  fc.assert(fc.property(fc.string(), (what) => assert.equal(parseMark(markName("fault", what))!.what, what)));
});

test("a name that every object has is looked up like any other", () => {
  for (const name of ["constructor", "__proto__", "toString"]) {
    assert.equal(named({}, name), undefined);
    assert.equal(named(Object.fromEntries([[name, 5]]), name), 5);
  }
});
