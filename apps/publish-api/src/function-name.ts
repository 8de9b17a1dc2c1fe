import type { HearthConfig } from '@hearth/config';
import { LambdaError } from './lambda-error';

/** The only version of a function there is. */
export const LATEST = '$LATEST';

/**
 * `NAME`, `{account}:function:NAME` or `arn:{partition}:lambda:{region}:{account}:function:NAME`, each with `:QUAL` or
 * without (publish-api §10.1). Partition, region and account of an installation that was left behind may stay.
 */
const FUNCTION_NAME =
  /^(?:(?:arn:aws[a-z-]{0,20}:lambda:[a-z0-9-]{1,32}:)?\d{12}:function:)?([\w-]{1,64})(?::(\$LATEST|[\w-]{1,128}))?$/;

/**
 * Checks that this installation is meant.
 *
 * @param given the function name of the path, percent-decoded
 * @param qualifier of the query; `undefined` when there is none
 * @throws LambdaError `ResourceNotFoundException`
 */
export function checkFunctionName(
  given: string,
  qualifier: unknown,
  config: Pick<HearthConfig, 'publishFunctionNames' | 'awsRegion' | 'awsAccountId'>,
): void {
  // What is no function name has an empty one.
  const [, name = '', version = LATEST] = FUNCTION_NAME.exec(given) ?? [];
  const isKnown = config.publishFunctionNames.includes(name);
  if (isKnown && version === LATEST && (qualifier === undefined || qualifier === LATEST)) return;
  const arn = given.startsWith('arn:')
    ? given
    : `arn:aws:lambda:${config.awsRegion}:${config.awsAccountId}:function:${given.replace(/^\d{12}:function:/, '')}`;
  throw new LambdaError(
    'ResourceNotFoundException',
    `Function not found: ${typeof qualifier === 'string' ? `${arn}:${qualifier}` : arn}`,
  );
}
