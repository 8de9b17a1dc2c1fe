import { type GeneratedKeys, type Outputs, projectRoot, type ReloadableValues } from '@hearth/config';
import { SignJWT } from 'jose';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The token is for trying things out; it must not be worth stealing from a scroll-back buffer tomorrow. */
const TOKEN_LIFETIME = '2h';
/** What is no terminal may be a log that is kept, and read by others. */
const LOGGED_TOKEN_LIFETIME = '10m';

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
      getInfo: true,
      messages: { '*': { publish: true, echo: true, react: true, store: 86_400 } },
      storage: { '*': { observe: true, get: true, set: true, store: 86_400 } },
    },
  },
};

/**
 * What a newcomer does next, ready to click and to paste. API keys are read from their file by the printed command; they
 * are shown once, by the start that made them, and on a terminal only.
 *
 * @param settings what tokens must have
 * @param isTerminal whether what is printed is gone with the window
 */
export async function welcomeText(
  outputs: Outputs,
  generated: GeneratedKeys | undefined,
  settings: ReloadableValues,
  isTerminal: boolean,
): Promise<string> {
  const token = await newToken(generated, settings, isTerminal ? TOKEN_LIFETIME : LOGGED_TOKEN_LIFETIME);
  const steps = [
    ...consoleStep(outputs, token),
    ...step('1. Connect and subscribe (keep it open):', `npx wscat -c "${outputs.webSocketUrl}?token=${token}"`),
    ...step(
      '2. Publish, from another terminal:',
      `curl -X POST ${outputs.publishHttpApiUrl} -H "Authorization: Bearer ${apiKey(generated)}" \\`,
      `  -d '{"channel":"${CHANNEL}","event":"greeting","data":"👋","store":3600}'`,
    ),
    ...step(
      '3. Look back, with connectionId and connectionSecret of the first line that wscat printed:',
      `curl "${outputs.httpApiUrl}connection/listMessages?connectionId=$CONNECTION_ID&connectionSecret=$CONNECTION_SECRET" \\`,
      `  -d '{"channel":"${CHANNEL}"}'`,
    ),
    ...awsStep(outputs, generated),
    ...examplesStep(generated),
  ];
  const heading = ['', `Hearth ${outputs.version} is ready at ${outputs.httpApiUrl}`, ''];
  return [...heading, ...steps, ...keysStep(generated, isTerminal), ''].join('\n');
}

function step(title: string, ...lines: string[]): string[] {
  return [`  ${title}`, ...lines.map((line) => `    ${line}`), ''];
}

/** A page that is connected and subscribed as soon as it is there. Browsers send what is behind `#` to nobody. */
function consoleStep({ httpApiUrl, webConsoleUrl, webSocketUrl }: Outputs, token: string): string[] {
  if (webConsoleUrl === undefined) return [];
  const isBeside = webSocketUrl === `${httpApiUrl.replace(/^http/, 'ws')}v1`;
  const page = isBeside ? `${httpApiUrl}console` : webConsoleUrl;
  return step(
    'Open this in two tabs of a browser, and send a message from one to the other:',
    `${page}#token=${token}`,
  );
}

function awsStep({ publishFunctionArn, httpApiUrl }: Outputs, generated: GeneratedKeys | undefined): string[] {
  if (generated?.awsAccessKeys === undefined) return [];
  return step(
    `Or publish with any AWS SDK: invoke ${publishFunctionArn}`,
    // Any region will do, but an SDK insists on one.
    `export AWS_ENDPOINT_URL_LAMBDA=${httpApiUrl} AWS_REGION=us-east-1`,
    awsCredentials(generated.awsAccessKeys, generated.file),
    // They would send the message to AWS, and say only that the function is not there.
    `AWS CLI before 2.13 and SDKs of before July 2023 do not read the first variable: give them --endpoint-url ${httpApiUrl}`,
  );
}

/** Where they are, and with the keys that they look for. An image has none of them. */
function examplesStep(generated: GeneratedKeys | undefined): string[] {
  if (generated === undefined || !existsSync(join(projectRoot(), 'examples/browser'))) return [];
  const dataDir = dirname(generated.file);
  const setting = dataDir === join(projectRoot(), '.hearth') ? '' : `HEARTH_DATA_DIR=${dataDir} `;
  return step('Or see a chat, a dashboard and streamed answers in a browser:', `${setting}npm run examples`);
}

function keysStep(generated: GeneratedKeys | undefined, isTerminal: boolean): string[] {
  if (generated === undefined) return [];
  const shown = generated.created && isTerminal ? newKeys(generated) : [];
  const title = shown.length === 0 ? [] : ['  Made just now, and shown this once:'];
  return [`  Keys: ${generated.file} (readable by you only)`, ...title, ...shown.map((key) => `    ${key}`)];
}

function newKeys({ httpApiKey1, httpApiKey2, awsAccessKeys }: GeneratedKeys): string[] {
  const [id, secret] = awsAccessKeys?.split(':') ?? [];
  return [
    ...(httpApiKey1 === undefined ? [] : [`API key 1: ${httpApiKey1}`]),
    ...(httpApiKey2 === undefined ? [] : [`API key 2: ${httpApiKey2}`]),
    ...(id === undefined ? [] : [`AWS access key: ${id}, secret ${secret}`]),
  ];
}

async function newToken(
  generated: GeneratedKeys | undefined,
  { signingKeys, tokenAudience, tokenIssuer }: ReloadableValues,
  lifetime: string,
): Promise<string> {
  if (generated?.signingKey === undefined) return 'YOUR_TOKEN';
  // The generated key takes the first slot, which may have been given an id.
  const kid = signingKeys.find(({ slot }) => slot === 1)?.id;
  return new SignJWT({ ...CLAIMS, aud: tokenAudience, iss: tokenIssuer })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT', ...(kid === undefined ? {} : { kid }) })
    .setIssuedAt()
    .setExpirationTime(lifetime)
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
