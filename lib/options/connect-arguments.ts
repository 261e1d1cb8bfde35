/** Reads the arguments of `connect`, in the forms that `node:tls` takes. */
import { shown } from '../errors/as-error';
import { usageError } from '../errors/errors';
import { listenerAfterOptions, splitListener } from '../checks/arguments';
import { withoutObjectPrototype } from '../checks/no-inheritance';
import { CONNECT_OPTIONS } from '../checks/option-names';
import { checkObject, text, wrongType } from '../checks/validate';
import { serverPort } from './connect';
import type { ConnectOptions } from './types';

export interface ConnectArguments {
  readonly options: ConnectOptions;
  readonly listener: Plain;
}

type Plain = (() => void) | undefined;

const LISTENER = 'secureConnectListener';

const FORMS =
  `connect(options[, ${LISTENER}]), or connect(port[, host][, options][, ${LISTENER}]): the options are an object with 'port', and 'host', 'ca' or 'psk' as a rule.`;

/** connect(options[, listener]) or connect(port[, host][, options][, listener]) */
export function readConnect(args: readonly unknown[]): ConnectArguments {
  const [first] = args;
  if (typeof first !== 'number' && typeof first !== 'string') {
    checkObject('options', first, FORMS);
    return { options: first as ConnectOptions, listener: listenerAfterOptions(args, LISTENER) };
  }
  const { rest, listener } = splitListener(args, LISTENER);
  const behind = rest.slice(1);
  const port = serverPort(first, transportIn(behind));
  const host = typeof behind[0] === 'object' && behind[0] !== null ? undefined : text('host', (behind.shift() ?? undefined) as string);
  const [options = {}, ...surplus] = behind;
  checkObject('options', options, FORMS);
  if (surplus.length > 0) throw wrongType(LISTENER, 'a function', surplus[0], FORMS);
  const given: Partial<ConnectOptions> = withoutObjectPrototype(options, CONNECT_OPTIONS);
  if (given.port !== undefined && serverPort(given.port, given.transport) !== port) throw contradiction('port', port, given.port);
  if (host !== undefined && given.host !== undefined && given.host !== host) throw contradiction('host', host, given.host);
  return { options: { ...given, port, ...(host === undefined ? {} : { host }) }, listener: listener };
}

/** Of the options, wherever they stand: what a port may be depends on it. */
function transportIn(behind: readonly unknown[]): unknown {
  const options = behind.find((one) => typeof one === 'object' && one !== null);
  return options === undefined ? undefined : withoutObjectPrototype(options as Partial<ConnectOptions>, CONNECT_OPTIONS).transport;
}

const contradiction = (name: string, argument: unknown, option: unknown): Error =>
  usageError(
    'ERR_DTLS_CONFLICTING_OPTIONS',
    `'${name}' is ${shown(argument)} as an argument and ${shown(option)} in the options`,
    'Leave one of them out.',
  );
