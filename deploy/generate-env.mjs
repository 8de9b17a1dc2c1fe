// Makes the settings file of `docker compose`: a copy of .env.example with every empty secret filled in.
//   node deploy/generate-env.mjs [path, default .env]
// An existing file is never overwritten: its passwords are those the database was made with.
import { randomBytes, randomInt } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
/** 40 letters and digits, 238 bits: nothing that a URL, a shell or a settings file would have to quote. */
const password = () => characters(ALPHABET, 40);
const characters = (alphabet, length) => Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join('');

const SECRETS = {
  HEARTH_HTTP_API_KEY_1: password,
  HEARTH_HTTP_API_KEY_2: password,
  // Text: not every library takes a secret of arbitrary bytes.
  HEARTH_SIGNING_KEY_1_ENCODED: () => Buffer.from(password()).toString('base64'),
  // The id has the form of AWS's own: some programs look at it.
  HEARTH_AWS_ACCESS_KEYS: () => `AKIA${characters('ABCDEFGHIJKLMNOPQRSTUVWXYZ234567', 16)}:${password()}`,
  HEARTH_WEBHOOK_SECRETS: () => `whsec_${randomBytes(32).toString('base64')}`,
  POSTGRES_PASSWORD: password,
  DATABASE_OWNER_PASSWORD: password,
  DATABASE_SERVICE_PASSWORD: password,
  // A letter first: the NATS configuration would read a leading digit as the start of a number.
  NATS_TOKEN: () => `nats${password()}`,
};

const path = process.argv[2] ?? '.env';
const example = readFileSync(fileURLToPath(new URL('../.env.example', import.meta.url)), 'utf8');
const filled = example.replace(/^(\w+)=$/gm, (line, name) => (name in SECRETS ? `${name}=${SECRETS[name]()}` : line));
try {
  writeFileSync(path, filled, { flag: 'wx', mode: 0o600 });
  console.log(`Wrote ${path} with new keys and passwords. Keep it out of version control.`);
} catch (error) {
  console.error(
    error.code === 'EEXIST' ? `${path} exists and is left as it is.` : `Cannot write ${path}: ${error.message}`,
  );
  process.exitCode = 1;
}
