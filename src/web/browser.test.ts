/** The page in a real browser, served as `shootdown web` serves it: what is seen, and that nothing else is asked for or said. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { builtInText } from "../builtin/index.js";
import { shootdown } from "../cli/command.fixture.js";
import { servePage } from "../jobs/index.js";
import { duration } from "../report/format.js";
import { fromFragment, toFragment } from "./link.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const CHROMIUM = "/usr/bin/chromium";
const ARGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"];
const QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync"];
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
/** Where pictures go, for who wants to look at them: npm run web && SHOTS=folder node scripts/test.mjs web/browser */
const SHOTS = process.env.SHOTS;

const skip = !existsSync(CHROMIUM)
  ? `${CHROMIUM} is absent: run scripts/setup-debian.sh`
  : !existsSync(join(ROOT, "site/index.html"))
    ? "the page is not built: npm run web"
    : false;
if (skip) process.stderr.write(`SKIPPED: the page was not opened in a browser; ${skip}\n`);

/** Of a verdict in JSON, what is looked at here. */
interface Row {
  readonly occasion: string;
  readonly cpu: string;
  readonly verdict: string;
  readonly scenarios: number;
  readonly unsound?: readonly string[];
}

/** Of a price in JSON, the same. */
interface Priced {
  readonly occasion: string;
  readonly microseconds: number;
}

const OTHER = join(ROOT, "traces/xen-4.20-dom0-2vcpu.parquet");
const CAPTURE = join(ROOT, "traces/xen-4.20-create-small.parquet");

describe("the page in a browser", { skip }, () => {
  let browser: Browser;
  let served: Awaited<ReturnType<typeof servePage>>;
  /** what the browser said, or asked of others, in any page */
  const heard: string[] = [];

  before(async () => {
    served = await servePage(0);
    browser = await chromium.launch({ executablePath: CHROMIUM, args: [...ARGS, ...QUIET], timeout: 0 });
    if (SHOTS !== undefined) mkdirSync(SHOTS, { recursive: true });
  });
  after(async () => {
    await browser?.close();
    await served?.close();
  });

  /** A page of its own profile, on which everything is heard. */
  async function open(hash = "", options: BrowserContextOptions = {}): Promise<Page> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(0);
    page.on("console", (message) => heard.push(`console: ${message.text()} (${message.location().url})`));
    page.on("pageerror", (error) => heard.push(String(error)));
    page.on("request", (request) => {
      if (!request.url().startsWith(served.url) && !/^(data|blob):/.test(request.url())) heard.push(request.url());
    });
    await page.goto(`${served.url}${hash}`);
    return page;
  }

  const shot = async (page: Page, name: string): Promise<unknown> =>
    SHOTS === undefined ? undefined : page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true });

  /** What axe-core finds against WCAG A and AA. */
  async function faults(page: Page): Promise<readonly string[]> {
    await page.evaluate(AXE);
    const found = (await page.evaluate(
      `axe.run(document, { preload: false, runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] }).then(({ violations }) => violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => id + " " + target.join(" ") + ": " + failureSummary)))`,
    )) as string[];
    return found;
  }

  /** Waits until an expression is true; the page itself evaluates no texts, so the question is asked again and again. */
  async function until(page: Page, expression: string): Promise<void> {
    while (!(await page.evaluate(expression))) await page.waitForTimeout(50);
  }

  /** Puts a text in the place of what is in the editor, as from a clipboard. */
  async function paste(page: Page, text: string): Promise<void> {
    await page.getByRole("textbox", { name: "Text of the policy" }).click();
    await page.keyboard.press("ControlOrMeta+A");
    await page.evaluate(`(() => {
      const clipboardData = new DataTransfer();
      clipboardData.setData("text/plain", ${JSON.stringify(text)});
      const event = new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true });
      document.querySelector(".editor").shadowRoot.querySelector(".cm-content").dispatchEvent(event);
    })()`);
  }

  /** What a button gives to the reader as a file. */
  async function downloaded(page: Page, button: string): Promise<string> {
    const [file] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: button, exact: true }).click(),
    ]);
    return readFileSync((await file.path())!, "utf8");
  }

  /** Without what is the machine's own. */
  const timeless = (value: unknown): unknown =>
    JSON.parse(JSON.stringify(value, (key, part) => (key === "milliseconds" ? undefined : part)));

  const overflow = (page: Page): Promise<unknown> =>
    page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");

  /** All verdicts of the first CPU are there. */
  const proved = (page: Page): Promise<void> =>
    until(
      page,
      `document.querySelectorAll(".matrix tbody tr").length > 0 && [...document.querySelectorAll(".matrix tbody tr")].every((row) => row.children[1].textContent !== "…")`,
    );

  it("tells the verdicts of the command line, the story of an unsound one step by step, and a link opens the same elsewhere", async () => {
    const page = await open();
    await proved(page);
    const [policy, cpu] = (await page.evaluate(
      `[...document.querySelectorAll(".bar select")].slice(0, 2).map((one) => one.value)`,
    )) as [string, string];
    const { out } = await shootdown(["prove", policy, "--json"]);
    const all = (JSON.parse(out) as { results: Row[] }).results;
    const results = all.filter((row) => row.cpu === cpu);
    const cells = (await page.evaluate(
      `[...document.querySelectorAll(".matrix tbody tr")].map((row) => [row.children[0].textContent, row.children[1].innerText])`,
    )) as [string, string][];
    assert.deepEqual(
      cells.map(([occasion]) => occasion),
      results.map(({ occasion }) => occasion),
    );
    for (const [i, { verdict, scenarios, unsound }] of results.entries()) {
      const [occasion, text] = cells[i]!;
      if (verdict === "unsound")
        assert.match(text, new RegExp(`${unsound!.length} of ${scenarios} scenarios fail`), occasion);
      else if (verdict === "sound") assert.match(text, new RegExp(`^sound\\s+${scenarios} scenarios`), occasion);
      else assert.doesNotMatch(text, /^sound|UNSOUND/, occasion);
    }

    await page.click(".matrix tbody td:nth-child(2) button");
    await page.waitForSelector(".timeline .now");
    const stale = page.locator(".pe li.stale");
    const steps = await page.locator("#the-story .timeline tbody tr").count();
    for (let i = 2; i <= steps && (await stale.count()) === 0; i++) {
      await page.getByRole("button", { name: "Next" }).click();
      await page.getByText(`step ${i} of ${steps}`, { exact: true }).waitFor();
    }
    assert.ok((await stale.count()) > 0, "no entry is shown to be stale at any step");
    await page.getByRole("button", { name: "Last" }).click();
    await page.getByRole("slider", { name: "Step" }).press("ArrowLeft");
    const place = `step ${steps - 1} of ${steps}`;
    await page.getByText(place, { exact: true }).waitFor();
    assert.deepEqual(await faults(page), []);
    await shot(page, "story-1280-light");

    let hash = "";
    while ((await fromFragment(hash.slice(1)))?.story?.step !== steps - 2) {
      await page.waitForTimeout(50);
      hash = (await page.evaluate("location.hash")) as string;
    }
    // On which other CPUs it goes alike is known when those are proved too.
    const storyOf = async (one: Page): Promise<string> =>
      (await one.locator("#the-story h3").innerText()).replace(/ on [^:]+:/, ":");
    const story = await storyOf(page);

    // The downloads are the command line's files, once every CPU has been looked at.
    await until(page, `[...document.querySelectorAll("button")].some((b) => b.textContent === "JSON" && !b.disabled)`);
    assert.deepEqual(timeless(JSON.parse(await downloaded(page, "JSON"))), timeless(JSON.parse(out)));
    assert.match(await downloaded(page, "Report"), /^<!doctype html>[\s\S]*shootdown prove \S+ --report/i);

    // What each occasion costs by itself is the command line's too; those that are the same share a row.
    const sizes = ["--ipa-bits", "40,44,48", "--cpu", cpu];
    const priced = JSON.parse((await shootdown(["price", policy, ...sizes, "--json"])).out) as { rows: Priced[] };
    await page.waitForSelector("[aria-label^='Prices of the occasions'] .plot");
    const shown = (await page.evaluate(
      `[...document.querySelectorAll("[aria-label^='Prices of the occasions'] tbody tr")].map((row) => row.innerText)`,
    )) as string[];
    for (const { occasion, microseconds } of priced.rows) {
      const row = shown.find((text) => text.split(/\s/).includes(occasion));
      assert.ok(row?.includes(duration(microseconds)), `${occasion}: ${duration(microseconds)} in ${row}`);
    }

    // The rule that a step goes by is explained in the model, at its name.
    await page.locator("#the-story .step small a").first().click();
    await page.waitForSelector("h3:target");
    assert.match(page.url(), /model\.html#[a-z-]+$/);
    assert.deepEqual(await faults(page), []);
    assert.equal(await overflow(page), 0);
    await page.context().close();
    const other = await open(hash);
    await other.getByText(place, { exact: true }).waitFor();
    assert.equal(await storyOf(other), story);
    await other.context().close();
  });

  it("says where a typed policy is wrong, at its line, and proves it when it is right", async () => {
    const page = await open();
    await page.waitForSelector(".editor");
    const text = `name = "mine"\ntitle = "t"\nsource = "s"\nbase = "xen-today"\n[switch]\ncode = """\ntlbi nonsense\n"""\n`;
    await paste(page, text);
    await page.getByText(/^Line 7: .*nonsense/).waitFor();
    await paste(page, text.replace("tlbi nonsense", "isb"));
    await page.getByText(/UNSOUND for .*switch/).waitFor();
    // Asked in another way, it is another answer, and the link says so.
    await page.getByText("How it is asked").click();
    await page.getByLabel("granule of all tables").selectOption("64K");
    await page.getByLabel("out-of-context").check();
    await page.getByText(/How it is asked \(not as usual\)/).waitFor();
    await page.getByText(/UNSOUND for .*switch/).waitFor();
    await page.waitForTimeout(600);
    const { choices } = (await fromFragment(new URL(page.url()).hash.slice(1)))!;
    assert.deepEqual(choices, { granule: "64K", without: ["out-of-context"] });
    assert.deepEqual(await faults(page), []);
    // Key by key too, faster than the page draws.
    await page.getByRole("textbox", { name: "Text of the policy" }).click();
    await page.keyboard.press("ControlOrMeta+End");
    await page.keyboard.type("# typed, and nothing of it lost");
    await until(
      page,
      `document.querySelector(".editor").shadowRoot.querySelector(".cm-content").textContent.endsWith("# typed, and nothing of it lost")`,
    );
    await page.getByText(/UNSOUND for .*switch/).waitFor();
    await page.context().close();
  });

  it("decides a litmus test with its story, in the dark, and fits 360 pixels", async () => {
    const page = await open("", { viewport: { width: 360, height: 800 }, colorScheme: "dark" });
    await page.getByRole("tab", { name: "Litmus test" }).click();
    await page.getByText(/\d timelines, [\d,]+ states/).waitFor();
    assert.equal(await overflow(page), 0);
    assert.deepEqual(await faults(page), []);
    await shot(page, "litmus-360-dark");
    await page.getByRole("tab", { name: "Policy" }).click();
    await proved(page);
    await page.waitForSelector("#prices .plot");
    assert.equal(await overflow(page), 0);
    assert.deepEqual(await faults(page), []);
    await shot(page, "policy-360-dark");
    await page.context().close();
  });

  it("reads a capture that is dropped on it: events, call paths, times, prices", async () => {
    const page = await open(`#${await toFragment({ v: 1, view: "trace" })}`, {
      viewport: { width: 2560, height: 1400 },
    });
    await page.locator("input[type=file]").setInputFiles(CAPTURE);
    await page.waitForSelector(".flame");
    const { events } = JSON.parse((await shootdown(["show", CAPTURE, "--json"])).out) as { events: number };
    await page.getByText(`${events.toLocaleString("en")} events, made by`).waitFor();
    await page.getByRole("button", { name: "Zoom in" }).click();
    await page.getByText(new RegExp(`events [\\d,]+ to [\\d,]+ of ${events.toLocaleString("en")}`)).waitFor();
    await page.waitForSelector(".listing tbody tr");
    assert.equal(await overflow(page), 0);
    assert.deepEqual(await faults(page), []);
    await shot(page, "trace-2560-light");

    await page.getByRole("tab", { name: "Compare" }).click();
    for (const [i, path] of [CAPTURE, OTHER].entries())
      await page.locator("input[type=file]").nth(i).setInputFiles(path);
    await page.getByText(/events before, [\d,]+ after/).waitFor();
    const { out } = await shootdown(["diff", CAPTURE, OTHER, "--csv"]);
    assert.equal(
      await page.locator("section[aria-label='Two traces'] tbody tr").count(),
      out.trim().split("\n").length - 1,
    );
    await page.getByRole("combobox", { name: "colours" }).selectOption("dark");
    await until(page, `getComputedStyle(document.body).colorScheme === "dark"`);
    await page.reload();
    assert.equal(await page.evaluate("document.documentElement.dataset.theme"), "dark", "it is kept");
    await page.getByRole("tab", { name: "Compare", selected: true }).waitFor();
    assert.deepEqual(await faults(page), []);
    assert.equal(await overflow(page), 0);
    await shot(page, "compare-2560-dark");
    await page.context().close();
  });

  it("has less than 600 KB, compressed, beside the captures", () => {
    const files = readdirSync(join(ROOT, "site"), { recursive: true })
      .map(String)
      .filter((file) => /\.(js|css|html)$/.test(file));
    const bytes = files.map((file) => gzipSync(readFileSync(join(ROOT, "site", file))).length);
    assert.ok(bytes.length > 3 && bytes.reduce((sum, n) => sum + n, 0) < 600 * 1024, bytes.join(", "));
  });

  it("says in a sentence what is wrong with a link, a file or a text that is of no use", async () => {
    const page = await open("#s1.AAAA");
    await page.getByText(/The link cannot be opened: it is cut off or changed/).waitFor();
    // What another version knows is said to be missing here, and the rest is shown.
    const story = { occasion: "conquest", cpu: "z80", scenario: "x" };
    const strange = { story, cpu: "z80", scenario: "war", choices: { without: ["gravity"] }, policy: { name: "mine" } };
    await page.goto(`${served.url}#${await toFragment({ v: 1, view: "policy", ...strange })}`);
    for (const name of ["policy mine", "CPU z80", "story of conquest", "assumption gravity"])
      await page
        .getByText(new RegExp(`The link .* ${name}, which this version does not`))
        .first()
        .waitFor();
    await page.getByText(/unknown scenario 'war'|scenario.*'war'/).waitFor();
    await proved(page);
    await paste(page, "x".repeat(2 ** 20 + 1));
    await page.getByText(/the text has 1048577 characters, expected a policy of at most/).waitFor();
    await page.getByRole("button", { name: "Copy a link" }).click();
    await page.getByText("the text is too long for a link").waitFor();

    await page.getByRole("tab", { name: "Trace" }).click();
    const whole = readFileSync(CAPTURE);
    const files: readonly (readonly [name: string, content: Buffer])[] = [
      ["cut.parquet", whole.subarray(0, whole.length / 2)],
      ["end.parquet", whole.subarray(whole.length / 2)],
      ["changed.parquet", Buffer.from(whole).fill(7, 2000, 3000)],
      ["nothing.parquet", Buffer.alloc(0)],
      ["text.ndjson", Buffer.from("a mail\n")],
      ["policy.toml", Buffer.from(builtInText("policies", "xen-today"))],
    ];
    for (const [name, buffer] of files) {
      await page.locator("input[type=file]").setInputFiles({ name, mimeType: "", buffer });
      await page.getByRole("alert").filter({ hasText: name }).waitFor();
      const said = await page.getByRole("alert").filter({ hasText: name }).innerText();
      assert.doesNotMatch(said, /fault of Shootdown|undefined|\n/, `${name}: ${said}`);
      if (SHOTS !== undefined) process.stdout.write(`${name}: ${said}\n`);
    }
    await page.getByRole("tab", { name: "Litmus test" }).click();
    await page.locator("input[type=file]").setInputFiles({ name: "a.litmus", mimeType: "", buffer: whole });
    await page.getByText(/a\.litmus has [\d,]+ bytes, expected a test of at most/).waitFor();
    await page.context().close();
  });

  it("said nothing on the console, and asked nobody else for anything", () => {
    assert.deepEqual(heard, []);
  });
});
