import { SIGNING_METHODS, type SigningMethod } from '@hearth/claims';
import { Command, Option } from 'commander';
import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { newAccessKey, newApiKey } from '@hearth/data-dir';

interface KeyOptions {
  readonly json?: true;
}

interface SigningKeyOptions extends KeyOptions {
  readonly algorithm: SigningMethod;
  readonly kid?: string;
}

/** `hearth keys`: makes secrets. They are printed and kept nowhere. */
export function keysCommand(): Command {
  return new Command('keys')
    .summary('make API keys, signing keys and access keys')
    .description('Make a key and print it; nothing is changed or kept.')
    .helpCommand(false)
    .addCommand(
      new Command('api-key')
        .description('Make an API key for POST /publish (HEARTH_HTTP_API_KEY_1).')
        .option('--json', 'print a JSON object: apiKey')
        .action(({ json }: KeyOptions) => {
          const apiKey = newApiKey();
          print(json, { apiKey }, [apiKey]);
        }),
    )
    .addCommand(
      new Command('signing-key')
        .description('Make a key to sign tokens with: one half for the server, one for your backend.')
        .addOption(new Option('--algorithm <name>', 'algorithm').choices(SIGNING_METHODS).default('ES256'))
        .option('--kid <id>', 'key ID, for rotation')
        .option('--json', 'print a JSON object: algorithm, kid, encoded (for the server), privateKey (for the backend)')
        .action(printSigningKey),
    )
    .addCommand(
      new Command('access-key')
        .description('Make an access key for AWS SDKs (HEARTH_AWS_ACCESS_KEYS), as AKID:SECRET.')
        .option('--json', 'print a JSON object: accessKeyId, secretAccessKey')
        .action(({ json }: KeyOptions) => {
          const accessKey = newAccessKey();
          const [accessKeyId, secretAccessKey] = accessKey.split(':');
          print(json, { accessKeyId, secretAccessKey }, [accessKey]);
        }),
    )
    .addHelpText('after', EXAMPLES);
}

const EXAMPLES = `
Examples:
  hearth keys api-key
  hearth keys signing-key --algorithm ES256 --kid 2026-01
  hearth keys access-key --json`;

function printSigningKey({ algorithm, kid, json }: SigningKeyOptions): void {
  const { encoded, privateKey } = newSigningKey(algorithm);
  print(json, { algorithm, kid, encoded, privateKey }, [
    '# The server:',
    `HEARTH_SIGNING_KEY_1_METHOD=${algorithm}`,
    ...(kid === undefined ? [] : [`HEARTH_SIGNING_KEY_1_ID=${kid}`]),
    `HEARTH_SIGNING_KEY_1_ENCODED=${encoded}`,
    '',
    '# Your backend, and nobody else (issuerPrivateKey):',
    privateKey.trimEnd(),
  ]);
}

/** Both halves of a signing key. A secret is text, so that every library takes it as it is. */
function newSigningKey(algorithm: SigningMethod): { encoded: string; privateKey: string } {
  if (algorithm.startsWith('HS')) {
    // RFC 7518 §3.2: at least as long as the hash.
    const secret = randomBytes(Number(algorithm.slice(2)) / 8).toString('base64url');
    return { encoded: Buffer.from(secret).toString('base64'), privateKey: secret };
  }
  const { publicKey, privateKey } = keyPair(algorithm);
  const pem = publicKey.export({ type: 'spki', format: 'pem' });
  return {
    encoded: Buffer.from(pem).toString('base64'),
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

function keyPair(algorithm: SigningMethod): { publicKey: KeyObject; privateKey: KeyObject } {
  if (algorithm === 'EdDSA') return generateKeyPairSync('ed25519');
  if (algorithm.startsWith('ES')) {
    const size = algorithm === 'ES512' ? '521' : algorithm.slice(2);
    return generateKeyPairSync('ec', { namedCurve: `P-${size}` });
  }
  // What NIST holds good beyond 2030.
  return generateKeyPairSync('rsa', { modulusLength: 3_072 });
}

function print(json: true | undefined, values: object, lines: readonly string[]): void {
  process.stdout.write(`${json === true ? JSON.stringify(values) : lines.join('\n')}\n`);
}
