// What the package is published for.

/** The name that prebuildify gives the binaries. */
export const PACKAGE = 'dgram-dtls';

/** The binaries of a release, in prebuilds/. */
export const TARGETS = [
  'linux-x64/dgram-dtls.glibc.node',
  'linux-x64/dgram-dtls.musl.node',
  'linux-arm64/dgram-dtls.glibc.node',
  'linux-arm64/dgram-dtls.musl.node',
  'darwin-x64/dgram-dtls.node',
  'darwin-arm64/dgram-dtls.node',
  'win32-x64/dgram-dtls.node',
  'win32-arm64/dgram-dtls.node',
];

/** The newest glibc that a binary may ask for: RHEL 8's. Debian 11 has 2.31. */
export const GLIBC = '2.28';

/** GNU's names of architectures, as those of cross compilers. */
export const TRIPLETS = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' };

/** Bytes that each binary may have. */
export const MOST_BINARY = 1_500_000;

/** Bytes that the packed package may have with this many binaries, of which each is some 310,000 when it is compressed. */
export const mostPacked = (binaries) => 1_350_000 + binaries * 350_000;

/** Packages that a user gets, this one among them. */
export const MOST_PACKAGES = 8;

/** Times that loading the package may cost what loading node:tls costs; the aim is 3 (bench/rows/loading.mjs). */
export const MOST_LOADING = 3.5;
