// Says first what an old Node.js would fail at later, with words that name something else.
import { readFileSync } from 'node:fs';

const { engines } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const numbers = (text) => text.replace(/^\D+/, '').split('.').map(Number);
const [major, minor = 0] = numbers(engines.node);
const [ownMajor, ownMinor] = numbers(process.version);

if (ownMajor < major || (ownMajor === major && ownMinor < minor)) {
  console.error(`Hearth needs Node.js ${major}.${minor} or later, and this is ${process.version}: https://nodejs.org`);
  process.exit(1);
}
