// Hearth's library for Node.js: the file that `npm run pack` makes in its repository
import { configure, publishMessage } from '@hearth/server-sdk';

// The access key comes from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
configure({
  lambdaEndpoint: process.env.AWS_ENDPOINT_URL_LAMBDA,
  awsRegion: process.env.AWS_REGION,
  publishFunctionArn: process.env.PUBLISH_FUNCTION_NAME,
});

const result = await publishMessage({
  channel: 'my-channel',
  event: 'my-event',
  data: '👋',
});

console.log(result.statusCode, result.text());
