/** What `Object.prototype` has is no option: a program's merge of somebody's JSON may have put it there, for all objects at once. */

/**
 * The options as they are; or, where something was put into `Object.prototype`, those of these names in an object without a
 * prototype. What a class or another prototype of the options has goes on counting.
 */
export function withoutObjectPrototype<T extends object>(options: T, names: readonly string[]): T {
  // That is all there is to do in a program to which it has not happened.
  if (Object.keys(Object.prototype).length === 0) return options;
  return bare(names.filter((name) => isSaid(options, name)).map((name) => [name, (options as Record<string, unknown>)[name]])) as T;
}

/** An object that inherits nothing. */
export const bare = (entries: readonly (readonly [string, unknown])[]): Record<string, unknown> =>
  Object.setPrototypeOf(Object.fromEntries(entries), null) as Record<string, unknown>;

function isSaid(options: object, name: string): boolean {
  for (let at: object | null = options; at !== null && at !== Object.prototype; at = Object.getPrototypeOf(at) as object | null) {
    if (Object.hasOwn(at, name)) return true;
  }
  return false;
}
