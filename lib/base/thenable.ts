/** As `await` has it: other libraries, and other realms (node:vm, test runners), have Promises of their own. */
export const isThenable = <T>(given: T | PromiseLike<T>): given is PromiseLike<T> =>
  (typeof given === 'object' || typeof given === 'function') &&
  given !== null &&
  typeof (given as { then?: unknown }).then === 'function';
