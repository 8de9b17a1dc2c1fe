import { ERROR_STATUS, type ErrorCode } from '@hearth/protocol';
import { z } from 'zod';

/** What is said when something is refused (publish-api §9, websocket-protocol §7). The codes are the one table's. */

export const errorCode = z.enum(Object.keys(ERROR_STATUS) as [ErrorCode, ...ErrorCode[]]).meta({ id: 'ErrorCode' });

/** Other members say more of some codes. */
export const errorBody = z
  .object({
    error: z.looseObject({
      code: errorCode,
      message: z.string().min(1),
      index: z.int().min(0).optional(),
      reason: z.string().optional(),
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
