import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { renderProofReport, renderReport } from "../index.js";
import { sampleMade, sampleProof } from "../proof.fixture.js";
import { provedResult } from "../sample.fixture.js";

const CHROMIUM = "/usr/bin/chromium";
const ARGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"];
const QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync"];

const skip = existsSync(CHROMIUM) ? false : `${CHROMIUM} is absent: run scripts/setup-debian.sh`;
if (skip) process.stderr.write(`SKIPPED: the report was not opened in a browser; ${skip}\n`);

describe("the report in a browser", { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), "shootdown-report-"));
  const url = pathToFileURL(join(folder, "report.html")).href;
  const proofUrl = pathToFileURL(join(folder, "proof.html")).href;
  let browser: Browser;

  before(async () => {
    writeFileSync(join(folder, "report.html"), await renderReport(provedResult(), [], sampleMade));
    writeFileSync(join(folder, "proof.html"), await renderProofReport(sampleProof(), sampleMade));
    browser = await chromium.launch({ executablePath: CHROMIUM, args: [...ARGS, ...QUIET], timeout: 0 });
  });
  after(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true });
  });

  for (const width of [360, 1280])
    for (const [colorScheme, what] of [
      ["light", url],
      ["dark", url],
      ["light", proofUrl],
      ["dark", proofUrl],
    ] as const)
      it(`${what === url ? "a comparison" : "a proof"} opens quietly and fits ${width} pixels, ${colorScheme}`, async () => {
        const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
        const heard: string[] = [];
        page.on("console", (message) => heard.push(message.text()));
        page.on("pageerror", (error) => heard.push(String(error)));
        page.on("request", (request) => heard.push(request.url()));
        await page.goto(what, { timeout: 0 });
        assert.deepEqual(heard, [what]);
        assert.equal(await page.evaluate("document.documentElement.scrollWidth"), width);
        assert.ok((await faintTexts(page)).length === 0, (await faintTexts(page)).join("; "));
        await page.close();
      });

  it("shows the whole table of prices on 1280 pixels without scrolling", async () => {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    await page.goto(url, { timeout: 0 });
    const hidden = `[...document.querySelectorAll(".scroll:has(.prices)")].map((e) => e.scrollWidth - e.clientWidth)`;
    assert.deepEqual(await page.evaluate(hidden), [0, 0, 0]);
    await page.close();
  });

  it("shows checks and policies whole on 420 pixels, every figure with its name", async () => {
    const page = await browser.newPage({ viewport: { width: 420, height: 900 } });
    await page.goto(url, { timeout: 0 });
    const hidden = `[...document.querySelectorAll(".scroll:has(.stacked)")].map((e) => e.scrollWidth - e.clientWidth)`;
    assert.deepEqual(await page.evaluate(hidden), [0, 0]);
    const label = `getComputedStyle(document.querySelector("#checks td"), "::before").content`;
    assert.equal(await page.evaluate(label), '"predicted: "');
    await page.close();
  });

  it("draws the arrival of a TLBI from its issuer's lane to its target's on a wide screen, and stacks steps on a narrow one", async () => {
    for (const width of [420, 1280]) {
      const page = await browser.newPage({ viewport: { width, height: 900 } });
      await page.goto(proofUrl, { timeout: 0 });
      const script = `[".rightwards", ".stale", "thead tr:last-child th:last-child"].map((s) => document.querySelector(".timeline " + s).getBoundingClientRect()).map(({ left, right }) => [left, right])`;
      const [arrow, stale, lane] = (await page.evaluate(script)) as [number, number][];
      if (width === 420) assert.deepEqual([arrow![0], lane![1]], [stale![0], 0]);
      else
        assert.ok(
          arrow![0] < lane![0] && arrow![1] > stale![0] && stale![0] > lane![0],
          JSON.stringify([arrow, stale, lane]),
        );
      await page.close();
    }
  });

  it("prints light, with every table within the page", async () => {
    const landscapeA4 = { width: 1032, height: 703 };
    const page = await browser.newPage({ viewport: landscapeA4, colorScheme: "dark" });
    await page.emulateMedia({ media: "print", colorScheme: "dark" });
    await page.goto(url, { timeout: 0 });
    assert.equal(await page.evaluate("getComputedStyle(document.body).backgroundColor"), "rgb(255, 255, 255)");
    assert.equal(await page.evaluate("document.documentElement.scrollWidth"), landscapeA4.width);
    await page.close();
  });
});

/** Texts whose contrast against the paper is below 4.5 to 1, with their ratio. */
async function faintTexts(page: Page): Promise<readonly string[]> {
  const script = `(() => {
    const luminance = (colour) => {
      const [r, g, b] = colour.match(/[\\d.]+/g).map((c) => c / 255).map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const paper = luminance(getComputedStyle(document.body).backgroundColor);
    const faint = new Set();
    for (const node of document.querySelectorAll("body *")) {
      if (![...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim() !== "")) continue;
      const style = getComputedStyle(node);
      const ink = luminance(node.closest("svg") && style.fill !== "none" ? style.fill : style.color);
      const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
      if (ratio < 4.5 && !["title", "desc"].includes(node.tagName)) faint.add(node.textContent.slice(0, 30) + " " + ratio.toFixed(2));
    }
    return [...faint];
  })()`;
  return (await page.evaluate(script)) as string[];
}
