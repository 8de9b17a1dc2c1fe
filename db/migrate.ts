import { readFileSync } from 'node:fs';
import { migrate } from '@hearth/store';

/** `npm run db:migrate`: brings the database of `HEARTH_DATABASE_URL` to this version's schema and says what it did. */
async function main(): Promise<void> {
  const applied: string[] = [];
  await migrate(databaseUrl(), { onApplied: (name) => applied.push(name) });
  console.log(applied.length === 0 ? 'The schema is up to date.' : `Applied ${applied.join(', ')}.`);
}

function databaseUrl(): string {
  const file = process.env.HEARTH_DATABASE_URL_FILE;
  const url = process.env.HEARTH_DATABASE_URL || (file ? readFileSync(file, 'utf8').trim() : '');
  if (url === '') throw new Error('HEARTH_DATABASE_URL (or HEARTH_DATABASE_URL_FILE) is not set');
  return url;
}

main().catch((error: unknown) => {
  console.error(`Migration failed: ${reasonOf(error)}`);
  process.exitCode = 1;
});

/** One line, and only the message: the error object of a bad URL carries the URL, password included. */
function reasonOf(error: unknown): string {
  // A host with several addresses that all refuse fails with an error of errors, which has no message itself.
  if (error instanceof AggregateError) return reasonOf(error.errors[0]);
  return (error instanceof Error ? error.message : String(error)).split('\n', 1).join();
}
