import type { StreamInfo } from 'nats';

/** In the description of every stream that is ours. */
const CREATED = /^Hearth: created (\S+)$/;

/**
 * The description of a stream that is made now. It says when, because what NATS tells of that is no identity: in a cluster,
 * whoever makes a stream that another has just made gives it another time, which a server takes up when it is restarted and
 * the others do not (seen with 2.10; in the source of 2.12, too). A description is part of the configuration, on which they
 * agree; and who comes later has another one, and is refused.
 *
 * @param created RFC 3339
 */
export const describeCreation = (created: string): string => `Hearth: created ${created}`;

/** When a stream was created, RFC 3339: another time is another stream, whose sequences have begun again. */
export function createdOf({ config, created }: Pick<StreamInfo, 'config' | 'created'>): string {
  return CREATED.exec(config.description ?? '')?.[1] ?? String(created);
}
