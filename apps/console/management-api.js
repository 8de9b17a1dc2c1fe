/** Calls of the management API, which lies beside this page (management-api §2, §3). */
export class ManagementApi {
  #key;

  /** @param {string} key an admin token or an API key */
  constructor(key) {
    this.#key = key;
  }

  /**
   * @param {'GET' | 'POST' | 'DELETE'} method
   * @param {readonly string[]} path parts, as they are
   * @param {Record<string, string>} [query] members without text are left out
   * @returns {Promise<Record<string, unknown>>} the answer; empty where there is none
   * @throws {Error} in words for the user
   */
  async call(method, path, query = {}) {
    const url = new URL(`../${path.map(encodeURIComponent).join('/')}`, location.href);
    for (const [name, value] of Object.entries(query)) if (value !== '') url.searchParams.set(name, value);
    const response = await fetch(url, {
      method,
      headers: { authorization: `Bearer ${this.#key}` },
      credentials: 'omit',
      referrerPolicy: 'no-referrer',
    });
    const text = await response.text();
    const answer = text === '' ? {} : JSON.parse(text);
    if (response.ok) return answer;
    const { code, message } = answer.error ?? { code: response.status, message: response.statusText };
    throw new Error(`${code}: ${message}`);
  }
}
