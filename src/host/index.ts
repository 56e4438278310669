/**
 * What a trace costs on a host: bare metal, or KVM with nested virtualization. Host files hold elementary prices only; the
 * model counts the elementary steps. All of it is pure: text and events in, values out.
 */
export { BareMetal } from "./bare.js";
export { addCounts, type Counts, type NoShadow } from "./counts.js";
export { accountOf, ipaNotes } from "./kvm/account.js";
export { KvmNested } from "./kvm/nested.js";
export { type Priced, price, ratioRange } from "./price.js";
export { type Host, isNested, parseHost } from "./prices.js";
export { countTlbi, priceTlbi, type TouchedPages } from "./single.js";
