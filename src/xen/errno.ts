/** Error codes of hypercalls (xen/include/public/errno.h); a hypercall returns their negative. */
export const EPERM = 1;
export const ENOENT = 2;
export const ESRCH = 3;
export const ENOMEM = 12;
export const EFAULT = 14;
export const EBUSY = 16;
export const EINVAL = 22;
export const EDOM = 33;
export const EILSEQ = 84;
export const EOPNOTSUPP = 95;
