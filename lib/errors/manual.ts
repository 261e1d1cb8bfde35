/** Where the pages of docs/ are read, for whoever has the package somewhere in a cache. */
const VERSION = '0.1.0';

/** The page of this version, as npm's registry serves what was published; `part` is a heading's anchor. */
export const page = (name: string, part?: string): string =>
  `https://unpkg.com/dgram-dtls@${VERSION}/docs/${name}.md${part === undefined ? '' : `#${part}`}`;
