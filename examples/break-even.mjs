// examples/break-even.mjs: from how many pages on is one VMALLS12E1IS cheaper than an IPAS2E1IS for each page?
import { loadHost } from "shootdown/catalog";
import { priceTlbi } from "shootdown/host";

const shadow = 601; // 4 KiB leaves in the one shadow stage-2 that has the VMID
for (const name of ["kvm-nested-7.2", "kvm-nested-unmap-all", "kvm-nested-skip-holes"]) {
  const host = loadHost(name);
  for (const ipaBits of [40, 48]) {
    const price = (op, operand) => priceTlbi({ op, operand, host, ipaBits, shadow }).microseconds;
    const pages = price("VMALLS12E1IS", 0n) / price("IPAS2E1IS", 1n); // Xt: IPA[51:12], here the page at 0x1000
    console.log(`${name.padEnd(22)} ${ipaBits} bits: ${Math.ceil(pages).toLocaleString("en")} pages`);
  }
}
