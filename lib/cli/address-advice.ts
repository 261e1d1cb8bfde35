/** Where an address goes: programs of other projects have options for it. */
import type { Command } from 'commander';

const OTHERS = /error: unknown option '--?(?:host|hostname|address|bind|port|p|remote|server|target)'/;

/** What commander says of a command line, with a better end where an option stands for the address, which is an argument. */
export function withAddressAdvice(command: Command, text: string): string {
  const [argument] = command.registeredArguments;
  if (argument?.name().includes('port') !== true || !OTHERS.test(text)) return text;
  const [first] = text.split('\n');
  return `${first ?? ''}\n(The address is no option: dgram-dtls ${command.name()} ${argument.required ? argument.name() : `[${argument.name()}]`})\n`;
}
