// Lints texts as if they were the content of files: [{ path, text }, …] on stdin, the messages of each on stdout.
// Without types, which need a whole program, and with the rules about imports only. A process of its own, because jest
// cannot load ESLint's configuration.
import { ESLint } from 'eslint';
import { text } from 'node:stream/consumers';
import tseslint from 'typescript-eslint';

const rules = /^(import-x\/|no-restricted-)/;
const eslint = new ESLint({
  overrideConfig: tseslint.configs.disableTypeChecked,
  ruleFilter: ({ ruleId }) => rules.test(ruleId),
});
const files = JSON.parse(await text(process.stdin));
const results = [];
for (const file of files) {
  const [result] = await eslint.lintText(file.text, { filePath: file.path });
  results.push(result.messages.map(({ ruleId, message }) => `${ruleId}: ${message}`));
}
process.stdout.write(JSON.stringify(results));
