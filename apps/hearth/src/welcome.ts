import type { GeneratedKeys, Outputs } from '@hearth/runtime';
import { SignJWT } from 'jose';

/** The token is for trying things out; it must not be worth stealing from a scroll-back buffer tomorrow. */
const TOKEN_LIFETIME = '2h';

const CHANNEL = 'my-channel';

/** What the printed token may do: everything on one channel. */
const CLAIMS = {
  scope: 'connect',
  uid: 'you',
  keepAlive: true,
  channels: {
    [CHANNEL]: {
      subscribe: true,
      autoSubscribe: true,
      historyStart: 0,
      messages: { '*': { publish: true, echo: true, store: 86_400 } },
    },
  },
};

/**
 * What a newcomer does next, ready to paste. API keys are read from their file by the printed command; they are shown
 * once, by the start that made them.
 */
export async function welcomeText(outputs: Outputs, generated: GeneratedKeys | undefined): Promise<string> {
  const lines = ['', `Hearth ${outputs.version} is ready at ${outputs.httpApiUrl}`, ''];
  const step = (title: string, ...commands: string[]): void =>
    void lines.push(`  ${title}`, ...commands.map((c) => `    ${c}`), '');

  step(
    '1. Connect and subscribe (keep it open):',
    `npx wscat -c "${outputs.webSocketUrl}?token=${await token(generated)}"`,
  );
  step(
    '2. Publish, from another terminal:',
    `curl -X POST ${outputs.publishHttpApiUrl} -H "Authorization: Bearer ${apiKey(generated)}" \\`,
    `  -d '{"channel":"${CHANNEL}","event":"greeting","data":"👋","store":3600}'`,
  );
  step(
    '3. Look back, with connectionId and connectionSecret of the first line that wscat printed:',
    `curl "${outputs.httpApiUrl}connection/listMessages?connectionId=$CONNECTION_ID&connectionSecret=$CONNECTION_SECRET" \\`,
    `  -d '{"channel":"${CHANNEL}"}'`,
  );
  if (outputs.webConsoleUrl !== undefined) {
    step('Or watch it in a browser: open the console and paste the token of step 1.', outputs.webConsoleUrl);
  }
  if (generated?.awsAccessKeys !== undefined) {
    step(
      `Or publish with any AWS SDK: invoke ${outputs.publishFunctionArn}`,
      // Any region will do, but an SDK insists on one.
      `export AWS_ENDPOINT_URL_LAMBDA=${outputs.httpApiUrl} AWS_REGION=us-east-1`,
      awsCredentials(generated.awsAccessKeys, generated.file),
      // They would send the message to AWS, and say only that the function is not there.
      `AWS CLI before 2.13 and SDKs of before July 2023 do not read the first variable: give them --endpoint-url ${outputs.httpApiUrl}`,
    );
  }
  if (generated === undefined) return lines.join('\n');
  lines.push(`  Keys: ${generated.file} (readable by you only)`);
  const shown = generated.created ? newKeys(generated) : [];
  if (shown.length > 0) lines.push('  Made just now, and shown this once:', ...shown.map((key) => `    ${key}`));
  return [...lines, ''].join('\n');
}

function newKeys({ httpApiKey1, httpApiKey2, awsAccessKeys }: GeneratedKeys): string[] {
  const [id, secret] = awsAccessKeys?.split(':') ?? [];
  return [
    ...(httpApiKey1 === undefined ? [] : [`API key 1: ${httpApiKey1}`]),
    ...(httpApiKey2 === undefined ? [] : [`API key 2: ${httpApiKey2}`]),
    ...(id === undefined ? [] : [`AWS access key: ${id}, secret ${secret}`]),
  ];
}

async function token(generated: GeneratedKeys | undefined): Promise<string> {
  if (generated?.signingKey === undefined) return 'YOUR_TOKEN';
  return new SignJWT(CLAIMS)
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setIssuedAt()
    .setExpirationTime(TOKEN_LIFETIME)
    .sign(generated.signingKey.secret);
}

/** A shell expression, so that the key itself is in no output and in no shell history. */
function apiKey(generated: GeneratedKeys | undefined): string {
  const { httpApiKey1, httpApiKey2, file } = generated ?? {};
  if (httpApiKey1 === undefined && httpApiKey2 === undefined) return 'YOUR_API_KEY';
  return `$(node -p "require('${file}').httpApiKey${httpApiKey1 === undefined ? 2 : 1}")`;
}

function awsCredentials(accessKey: string, file: string): string {
  const [id] = accessKey.split(':');
  const secret = `$(node -p "require('${file}').awsAccessKeys.split(':')[1]")`;
  return `export AWS_ACCESS_KEY_ID=${id} AWS_SECRET_ACCESS_KEY="${secret}"`;
}
