// AWS SDK for JavaScript v3: npm install @aws-sdk/client-lambda
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';

const lambdaClient = new LambdaClient({ endpoint: process.env.AWS_ENDPOINT_URL_LAMBDA });

const { StatusCode, FunctionError, Payload } = await lambdaClient.send(
  new InvokeCommand({
    FunctionName: process.env.PUBLISH_FUNCTION_NAME,
    Payload: JSON.stringify({
      channel: 'my-channel',
      event: 'my-event',
      data: '👋',
    }),
  }),
);

console.log(StatusCode, Payload.transformToString());
if (FunctionError) process.exitCode = 1;
