/** The database cannot be used, and no waiting changes that. The message, one line without secrets, says what does. */
export class DatabaseRefusal extends Error {
  override readonly name: string = 'DatabaseRefusal';
}
