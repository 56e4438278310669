/**
 * Sites of a policy's code that was put into a recorded hypervisor: "policy kvm-ipa, revoke < p2m_force_tlb_flush_sync < ...". No
 * function of C has a blank in its name.
 */
const INJECTED = /^policy [^<]+ < /;

/** Is the site a policy's own code? */
export const isInjected = (site: string): boolean => INJECTED.test(site);

/** The site within which the code stands: that of the hypervisor's function. */
export const siteAround = (site: string): string => site.replace(INJECTED, "");
