/** Words for addresses, so that a story speaks of "stage-1 level-3 descriptor of x (page_table_base)". */
import type { Names } from "../program.js";
import { coverage } from "./descriptor.js";
import type { Symbolic } from "./layout.js";
import type { Space } from "./setup-syntax.js";
import type { Tables } from "./tables.js";

const hex = (address: number): string => `0x${address.toString(16)}`;

/** Names of pages by their addresses, in each address space, and of the tables' roots. */
export function namesOf(tables: Tables, symbols: readonly Symbolic[]): Names {
  const of = (wanted: Space): ReadonlyMap<number, string> =>
    new Map(symbols.filter(({ space }) => space === wanted).map(({ name, address }) => [address, name]));
  return {
    virtual: of("virtual"),
    intermediate: of("intermediate"),
    physical: of("physical"),
    tables: new Map([...tables.roots.values()].map(({ base, name }) => [base, name])),
  };
}

/** What stands at a physical address, in words; undefined where nobody gave it a name. */
export function describer(tables: Tables, symbols: readonly Symbolic[]): (pa: number) => string | undefined {
  const spoken = (spaces: readonly Space[], from: number, size: number): string => {
    for (const wanted of spaces) {
      const names = symbols
        .filter(({ space, address }) => space === wanted && address >= from && address < from + size)
        .map(({ name }) => name);
      if (names.length > 0) return names.join(", ");
    }
    const page = tables.pages.get(from);
    const what = spaces[0] === "virtual" ? "VA" : "IPA";
    return page && size === tables.size ? `${what} ${hex(from)}, a table of ${page.root.name}` : `${what} ${hex(from)}`;
  };
  return (pa) => {
    const base = pa - (pa % tables.size);
    const page = tables.pages.get(base);
    if (page) {
      const { root, level, input } = page;
      const size = coverage(level, tables.granule.bits);
      const from = input + ((pa % tables.size) >> 3) * size;
      // Where stage 2 is the identity, a physical name is an IPA too; where stage 1 maps tables, so are theirs.
      const of = spoken(root.stage === 1 ? ["virtual"] : ["intermediate", "physical"], from, size);
      return `stage-${root.stage} level-${level} descriptor of ${of} (${root.name})`;
    }
    const symbol = symbols.find(({ space, address }) => space === "physical" && address === base);
    return symbol && (pa === base ? symbol.name : `${symbol.name} + ${hex(pa - base)}`);
  };
}
