/** Where pictures are drawn in a browser: in a document of its own. */
export const parseHTML = (_html: string) => ({ document: globalThis.document.implementation.createHTMLDocument("") });
