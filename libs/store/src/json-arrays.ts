/** Characters of one statement's text: what piled up during an outage must not exceed the time one statement may take. */
const MAX_STATEMENT_CHARACTERS = 1_048_576;

/** The values as JSON arrays, each at most about as long as a statement may be. */
export function* jsonArrays(values: readonly unknown[]): Generator<string> {
  let elements: string[] = [];
  let characters = 0;
  for (const value of values) {
    const element = JSON.stringify(value);
    if (elements.length > 0 && characters + element.length > MAX_STATEMENT_CHARACTERS) {
      yield `[${elements.join(',')}]`;
      elements = [];
      characters = 0;
    }
    elements.push(element);
    characters += element.length;
  }
  if (elements.length > 0) yield `[${elements.join(',')}]`;
}
