import type { Claims } from './token-claims';
import { checkOptionNames, Config, setOptions, type ConfigOptions } from './sdk-config';
import { Issuer } from './issuer';
import type { PublishInput, PublishResponse, PublishResult } from './message';
// Not by its alias: this library is built into a package of its own, where there are none.
import type { Jsonable } from '../../protocol/src/channel-shapes';
import { Publisher } from './message-publisher';

/** The process-wide configuration behind `publishMessage` and `issueToken`, and what was made from it. */
let config = new Config();
let publisher: Publisher | undefined;
let issuer: Issuer | undefined;

/**
 * Sets options of the process-wide configuration; those that are not mentioned stay as they are. The next `publishMessage`
 * and `issueToken` use it.
 *
 * @param change a function that sets members of the configuration, or the options themselves
 * @throws ConfigurationError for a name that is no option, and for what is neither; nothing is changed then
 */
export function configure(change: ((config: Config) => void) | ConfigOptions): void {
  const changed = new Config(config);
  if (typeof change === 'function') change(changed);
  else setOptions(changed, change);
  checkOptionNames(changed);
  config = changed;
  publisher = undefined;
  issuer = undefined;
}

/** Publishes a message with the process-wide configuration; see `Publisher`. */
export async function publishMessage<Data>(
  input: PublishInput & { data?: Data & Jsonable<Data> },
): Promise<PublishResult> {
  publisher ??= new Publisher(config);
  // `Jsonable` has been looked at: it would be asked again of a type that is not known yet.
  const message: PublishInput = input;
  return publisher.publishMessage(message);
}

/** Publishes all of some messages or none with the process-wide configuration; see `Publisher`. */
export async function publishBatch(inputs: readonly PublishInput[]): Promise<PublishResult<PublishResponse[]>> {
  publisher ??= new Publisher(config);
  return publisher.publishBatch(inputs);
}

/** Issues a token with the process-wide configuration; see `Issuer`. */
export function issueToken(claims?: Claims): string {
  issuer ??= new Issuer(config);
  return issuer.issueToken(claims);
}
