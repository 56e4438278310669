/**
 * What is exported is wanted: by another file, of the sources, of scripts or of the examples. What only tests would take is
 * tested through what it serves.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const SOURCE = join(ROOT, "src");
const skip = existsSync(SOURCE) ? false : "the sources are not here";

/** What doors offer to programs of others, and no other room takes: tables, and the other way round of what rooms do take. */
const OFFERED = new Set([
  "arch/operand#encodeOperand",
  "arch/reach#mustGo",
  "arch/reach#CachedEntry",
  // A litmus test or a task of one's own, decided step by step.
  "prove/explore#Decision",
  "prove/litmus/litmus#parseLitmus",
  "prove/program#Program",
  "xen/scenario#Scenario",
]);

/** The package's own door, which hands on what programs of others want of the rooms: docs/library.md names all of it. */
const PACKAGE = "index";

/** What stands in for Node's modules and for libraries where the page is bundled (scripts/web.mjs): named as these are. */
const STANDS_IN = /^web\/(instead\/|page\/instead-)/;

/** A name of another module, as it is called there. */
interface Taken {
  /** its path in src, without ending: "arch/tlbi" */
  readonly from: string;
  readonly name: string;
}

interface Module {
  readonly isTest: boolean;
  /** names that are declared and exported here */
  readonly own: readonly string[];
  /** names of other modules that this one hands on, and as what */
  readonly handed: readonly (Taken & { readonly as: string })[];
  /** modules that it hands on whole */
  readonly whole: readonly string[];
  readonly taken: readonly Taken[];
}

const DECLARED =
  /^export (?:declare )?(?:(?:abstract|async) )*(?:const enum|const|let|function\*?|class|interface|type|enum) ([\w$]+)/gm;
const NAMED = /^(import|export) (?:type )?(?:[\w$]+, )?\{([^}]*)\}(?: from "([^"]+)")?/gm;
const WHOLE = /^export \* from "([^"]+)"/gm;
const LATER = /const \{([^}]*)\} = await import\("([^"]+)"\)/g;

/** Names between braces: as they are called there, and here. */
const namesIn = (braces: string): { readonly name: string; readonly as: string }[] =>
  braces
    .replace(/\/\/.*$/gm, "")
    .split(",")
    .map((part) => part.trim().replace(/^type /, ""))
    .filter((part) => part !== "")
    .map((part) => {
      const [name = "", as = name] = part.split(/ as |: /);
      return { name, as };
    });

function moduleOf(file: string, text: string): Module {
  const path = (from: string): string => normalize(join(dirname(file), from)).replace(/\.js$/, "");
  const own = [...text.matchAll(DECLARED)].map((match) => match[1]!);
  const handed: Module["handed"][number][] = [];
  const taken: Taken[] = [];
  for (const [, word, braces, from] of text.matchAll(NAMED)) {
    const names = namesIn(braces!);
    if (from === undefined) own.push(...names.map(({ as }) => as));
    else if (from.startsWith("."))
      for (const { name, as } of names)
        if (word === "import") taken.push({ from: path(from), name });
        else handed.push({ from: path(from), name, as });
  }
  for (const [, braces, from] of text.matchAll(LATER))
    for (const { name } of namesIn(braces!)) taken.push({ from: path(from!), name });
  const whole = [...text.matchAll(WHOLE)].map((match) => path(match[1]!));
  return { isTest: /\.(test|fixture|testing)\./.test(file), own, handed, whole, taken };
}

const modules = new Map<string, Module>();
if (!skip)
  for (const file of readdirSync(SOURCE, { recursive: true }).map(String))
    if (/\.tsx?$/.test(file))
      modules.set(file.replace(/(\.d)?\.tsx?$/, ""), moduleOf(file, readFileSync(join(SOURCE, file), "utf8")));

/** What scripts take from the built package, and what examples and the README take by the package's name. */
function takenOutside(): Taken[] {
  const files = ["scripts", "examples"].flatMap((folder) =>
    existsSync(join(ROOT, folder))
      ? readdirSync(join(ROOT, folder), { recursive: true }).map((file) => join(folder, String(file)))
      : [],
  );
  const texts = ["README.md", ...files.filter((file) => file.endsWith(".mjs"))];
  return texts.flatMap((file) =>
    [...readFileSync(join(ROOT, file), "utf8").matchAll(/^import \{([^}]*)\} from "([^"]+)"/gm)].flatMap(
      ([, braces, from]) => {
        const path = /(?:^|\/)dist\/(.+)\.js$/.exec(from!)?.[1];
        const room = /^shootdown\/(.+)$/.exec(from!)?.[1];
        const at =
          path ??
          (room === undefined || room.includes("/") ? room : `${room}/index`) ??
          (from === "shootdown" ? PACKAGE : undefined);
        return at === undefined ? [] : namesIn(braces!).map(({ name }) => ({ from: at, name }));
      },
    ),
  );
}

/** Every place that a name goes through, from where it is taken to where it is declared: "arch/index#hex", "arch/address#hex". */
function wayOf({ from, name }: Taken): string[] | undefined {
  const module = modules.get(from);
  if (!module) return undefined;
  const here = `${from}#${name}`;
  if (module.own.includes(name)) return [here];
  const handed = module.handed.find(({ as }) => as === name);
  const further = handed ? wayOf(handed) : module.whole.map((whole) => wayOf({ from: whole, name })).find(Boolean);
  return further && [here, ...further];
}

test("what is exported is taken somewhere, tests apart, or offered", { skip }, () => {
  const taken = [...modules.values()].filter(({ isTest }) => !isTest).flatMap((module) => module.taken);
  const used = new Set([...taken, ...takenOutside()].flatMap((one) => wayOf(one) ?? []));
  assert.ok(used.size > 500, `${used.size} names are in use`);
  const unused = [...modules].flatMap(([path, { isTest, own, handed }]) =>
    isTest || path === PACKAGE || STANDS_IN.test(path)
      ? []
      : [...own, ...handed.map(({ as }) => as)].map((name) => ({ from: path, name })),
  );
  const wrong = unused
    .filter(({ from, name }) => !used.has(`${from}#${name}`))
    .filter((one) => !wayOf(one)?.some((place) => OFFERED.has(place)))
    .map(({ from, name }) => `${from}#${name}`);
  assert.deepEqual(wrong, []);
});

test("what is offered is handed out by a door, and to no other room", { skip }, () => {
  const taken = [...modules.values()].filter(({ isTest }) => !isTest).flatMap((module) => module.taken);
  const used = new Set(taken.flatMap((one) => wayOf(one) ?? []));
  for (const place of OFFERED) {
    const [path = "", name = ""] = place.split("#");
    const door = `${path.split("/")[0]}/index`;
    assert.deepEqual(wayOf({ from: door, name })?.at(-1), place);
    assert.ok(!used.has(`${door}#${name}`), `${place} is in use`);
  }
});

test("a room's door names what it hands out", { skip }, () => {
  const whole = [...modules].filter(([path, module]) => path.endsWith("/index") && module.whole.length > 0);
  const wrong = whole.map(([path]) => path);
  assert.deepEqual(wrong, []);
});
