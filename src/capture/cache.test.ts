import assert from "node:assert/strict";
import { chmodSync, chownSync, lchownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { cacheFolder, checkCache } from "./cache.js";
import { checkSpace, freeSpace } from "./space.js";

const folder = mkdtempSync(join(tmpdir(), "shootdown-cache-"));
after(() => rmSync(folder, { recursive: true }));

const NAMES = ["SHOOTDOWN_CACHE", "XDG_CACHE_HOME", "HOME"] as const;

/** The cache folder under other variables; those not named are not set. */
function under(env: Partial<Record<(typeof NAMES)[number], string>>): string {
  const set = (name: string, value: string | undefined): void => {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  };
  const before = NAMES.map((name) => process.env[name]);
  try {
    for (const name of NAMES) set(name, env[name]);
    return cacheFolder();
  } finally {
    NAMES.forEach((name, i) => void set(name, before[i]));
  }
}

test("the cache is where the variables say, the first that says it", () => {
  const all = { SHOOTDOWN_CACHE: "/a/b", XDG_CACHE_HOME: "/x", HOME: "/home/u" };
  assert.equal(under(all), "/a/b");
  assert.equal(under({ ...all, SHOOTDOWN_CACHE: "" }), "/x/shootdown");
  assert.equal(under({ HOME: "/home/u" }), "/home/u/.cache/shootdown");
});

test("a relative XDG_CACHE_HOME is ignored, as its specification has it", () => {
  assert.equal(under({ XDG_CACHE_HOME: "cache", HOME: "/home/u" }), "/home/u/.cache/shootdown");
});

test("an empty or relative HOME is refused: nothing is put into the folder where the command runs", () => {
  for (const HOME of ["", "home/u"])
    assert.throws(
      () => under({ HOME }),
      /^InputError: HOME is '(home\/u)?', expected an absolute path.*SHOOTDOWN_CACHE/,
    );
  assert.equal(under({ HOME: "", XDG_CACHE_HOME: "/x" }), "/x/shootdown");
});

/** A cache with one program in it. */
function cache(name: string): { root: string; program: string; link: string } {
  const root = join(folder, name);
  const bin = join(root, "debian", "bin");
  mkdirSync(bin, { recursive: true });
  const program = join(bin, "qemu");
  writeFileSync(program, "");
  const link = join(bin, "link");
  symlinkSync("qemu", link);
  for (const path of [root, join(root, "debian"), bin, program]) chmodSync(path, 0o755);
  return { root, program, link };
}

test("a cache that is ours alone, or not there, is taken", () => {
  checkCache(cache("ours").root);
  checkCache(join(folder, "none"));
});

test("a cache that others may write to is refused, at any depth, with the path and what to do", () => {
  for (const mode of [0o775, 0o757, 0o1777]) {
    const { root, program } = cache(`mode-${mode}`);
    chmodSync(program, mode);
    const refused = {
      message: new RegExp(
        `^${program}: may be written by others \\(mode ${mode.toString(8).padStart(4, "0")}\\): .*chmod -R go-w ${root}`,
      ),
    };
    assert.throws(() => checkCache(root), refused);
    chmodSync(program, 0o755);
    chmodSync(root, mode);
    assert.throws(() => checkCache(root), new RegExp(`^InputError: ${root}: may be written by others`));
  }
});

test("a cache with anything of another user is refused, a link too", {
  skip: process.geteuid?.() === 0 ? false : "SKIPPED: only root can give files away",
}, () => {
  const [whole, part, linked] = [cache("whole"), cache("part"), cache("linked")];
  chownSync(whole.root, 12_345, 12_345);
  assert.throws(
    () => checkCache(whole.root),
    new RegExp(`^InputError: ${whole.root}: is owned by user 12345: .*SHOOTDOWN_CACHE`),
  );
  chownSync(part.program, 12_345, 12_345);
  assert.throws(() => checkCache(part.root), new RegExp(`^InputError: ${part.program}: is owned by user 12345`));
  lchownSync(linked.link, 12_345, 12_345);
  assert.throws(() => checkCache(linked.root), new RegExp(`^InputError: ${linked.link}: is owned by user 12345`));
});

test("a folder without room for what is to come is refused before it comes, with both figures", () => {
  assert.throws(() => checkSpace(folder, 620e6, "the set-up", 99.2e6), /: needs 620 MB for the set-up, has 100 MB$/);
  checkSpace(folder, 620e6, "the set-up", 620e6);
  checkSpace(folder, 620e6, "the set-up", undefined as unknown as number);
});

test("a folder that is not there yet has the room of the one above; no disk has room for 2^60 bytes", () => {
  assert.ok(freeSpace(folder)! > 0);
  const none = join(folder, "not", "there");
  assert.throws(
    () => checkSpace(none, 2 ** 60, "all"),
    new RegExp(`^InputError: ${none}: needs 1,152,921,504,607 MB for all, has [\\d,]+ MB$`),
  );
});
