/** A number and what it counts, as people say it: '1 session', '2 sessions'. */
export const counted = (count: number, one: string, many = `${one}s`): string => `${String(count)} ${count === 1 ? one : many}`;
