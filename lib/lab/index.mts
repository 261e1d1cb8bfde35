export { Link, peerOf, seededRandom } from './index.js';
export type * from './index.js';
