/** Errors of the system, by its numbers, as Node's own sockets have them. */
import { getSystemErrorMap, getSystemErrorName } from 'node:util';

/** The number of an error of this system, as Node has it: below zero. */
export const errnoOf = (code: string): number =>
  [...getSystemErrorMap()].find(([, [name]]) => name === code)?.[0] ?? 0;

export const systemErrorCode = (errno: number): string => getSystemErrorName(errno < 0 ? errno : -errno);

export function systemError(errno: number, syscall: string, address?: string, port?: number): Error {
  const code = systemErrorCode(errno);
  const where = address === undefined ? '' : ` ${address}${port === undefined ? '' : `:${String(port)}`}`;
  return Object.assign(new Error(`${syscall} ${code}${where}`), {
    code,
    errno: errno < 0 ? errno : -errno,
    syscall,
    ...(address === undefined ? {} : { address }),
    ...(port === undefined ? {} : { port }),
  });
}
