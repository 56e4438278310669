/** What cannot be done is refused in one sentence, before anything is written. */
import { InputError } from "../input/index.js";

/** Of a build. */
export function refuseXen(why: string): never {
  throw new InputError(`nothing can be injected into this Xen: ${why}`);
}

/** Of a policy. */
export function refusePolicy(name: string, why: string): never {
  throw new InputError(`policy ${name} cannot be injected: ${why}`);
}
