/**
 * What a trace costs on a host: bare metal, or KVM with nested virtualization. Host files hold elementary prices only; the
 * model counts the elementary steps. All of it is pure: text and events in, values out.
 */
export { BareMetal } from "./bare.js";
export { type Amounts, addAmounts, addCounts, type Counts, type NoShadow, PARTS, type Part } from "./counts.js";
export { type Account, accountOf, ipaNotes } from "./kvm/account.js";
export { KvmNested, type ShadowShape } from "./kvm/nested.js";
export { instructionsOf, type Priced, price, ratioRange } from "./price.js";
export {
  BARE_PRICES,
  type Host,
  isNested,
  type KvmHost,
  NESTED_PRICES,
  type Price,
  type PriceKey,
  type PriceUnit,
  parseHost,
} from "./prices.js";
export {
  countTlbi,
  priceTlbi,
  type SingleTlbi,
  type SingleTlbiPrice,
  shadowOfLeaves,
  type TouchedPages,
} from "./single.js";
