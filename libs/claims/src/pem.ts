const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \1-----/g;

/**
 * The key in a PEM, in lines. `.env` files, env files of Docker and the secrets of a CI have it on one line, with `\n`, blanks or
 * nothing for its line breaks, and in quotation marks; openssl writes other things in front of it.
 *
 * @returns what holds no key in such a form as it is
 */
export function pemLines(text: string): string {
  const blocks = [...text.replace(/\\+[rn]/g, '\n').matchAll(BLOCK)];
  const [, label, body] = blocks.find(([, name]) => name?.endsWith('KEY')) ?? blocks[0] ?? [];
  if (label === undefined || body === undefined) return text.trim();
  const lines = body.replace(/\s/g, '').match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`].join('\n');
}
