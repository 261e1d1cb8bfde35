/** For the checks in this directory: nothing in it runs, tsc alone judges it. */

// Each way round, and neither hidden by `any`, which is assignable to everything but not to never.
type Same<A, B> = [A, B] extends [B, A] ? (0 extends 1 & A ? false : true) : false;

/** Compiles only when the value has exactly the type that is named. */
export function expectType<Expected>(): <Actual>(
  value: Same<Actual, Expected> extends true ? Actual : never,
) => void {
  return () => undefined;
}
