import { ERROR_STATUS, type ErrorCode } from '@hearth/protocol';
import { z } from 'zod';

/** What is said when something is refused (publish-api §9, websocket-protocol §7). The codes are the one table's. */

export const errorCode = z.enum(Object.keys(ERROR_STATUS) as [ErrorCode, ...ErrorCode[]]).meta({ id: 'ErrorCode' });

/** What `RATE_LIMITED` and `LIMIT_REACHED` say besides (limits §3). */
export const limitMembers = {
  limit: z
    .string()
    .min(1)
    .optional()
    .meta({ description: 'Name of the limit.', examples: ['connectionPublish'] }),
  retryAfterMs: z.int().min(1).optional().meta({ description: 'After it one more passes. Of RATE_LIMITED.' }),
  max: z.int().min(0).optional().meta({ description: 'How many there may be. Of LIMIT_REACHED.' }),
};

/** Other members say more of some codes. */
export const errorBody = z
  .object({
    error: z.looseObject({
      code: errorCode,
      message: z.string().min(1),
      index: z.int().min(0).optional(),
      reason: z.string().optional(),
      ...limitMembers,
    }),
  })
  .meta({ id: 'ErrorBody' });

/** AWS's word for what went wrong with an invocation; its type is in `x-amzn-errortype` (publish-api §10.4). */
export const awsError = z
  .union([
    z.object({ message: z.string(), Type: z.string().optional(), Reason: z.string().optional() }),
    z.object({ Message: z.string(), Type: z.string().optional() }),
  ])
  .meta({ id: 'AwsError' });

export const functionError = z
  .object({ errorType: errorCode, errorMessage: z.string() })
  .meta({ id: 'FunctionError', description: 'With x-amz-function-error: the message was refused.' });
