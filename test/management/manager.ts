import { checkAnswer } from '../support/api-checks';
import type { Testbed } from '../support/installation';
import type { Frame } from '../support/ws-client';

export const ADMIN_TOKEN = 'the-operators-own-token';

export interface ManagementAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The parsed text; `undefined` without one. */
  readonly json: Frame;
}

/** The management API of an installation, as an operator's program uses it. */
export class Manager {
  constructor(
    private readonly testbed: Testbed,
    private readonly token = ADMIN_TOKEN,
    private readonly publishApi = testbed.app('publish-api'),
  ) {}

  /** The same with another credential; `''` is none. */
  as(token: string): Manager {
    return new Manager(this.testbed, token, this.publishApi);
  }

  /** @param body text goes as it is */
  async call(method: string, path: string, body?: object | string): Promise<ManagementAnswer> {
    const response = await fetch(`${this.publishApi.httpUrl}${path}`, {
      method,
      headers: this.token === '' ? {} : { authorization: `Bearer ${this.token}` },
      body: typeof body === 'object' ? JSON.stringify(body) : body,
    });
    const text = await response.text();
    checkAnswer(method, response.url, { status: response.status, text });
    return {
      status: response.status,
      headers: response.headers,
      text,
      json: text === '' ? undefined : JSON.parse(text),
    };
  }

  get(path: string): Promise<ManagementAnswer> {
    return this.call('GET', path);
  }

  post(path: string, body: object | string): Promise<ManagementAnswer> {
    return this.call('POST', path, body);
  }

  /** Revokes what the body says, of which every gateway has heard when this resolves. */
  async revoke(body: object): Promise<Frame> {
    const { status, json } = await this.post('/revocations', body);
    expect([200, 201]).toContain(status);
    expect(json.complete).toBe(true);
    return json;
  }

  /** Everything that a list has, read a page at a time. */
  async pages(path: string, member: string, limit: number): Promise<Frame[]> {
    const all: Frame[] = [];
    for (let after: string | null = ''; after !== null;) {
      const separator = path.includes('?') ? '&' : '?';
      const { status, text, json } = await this.get(
        `${path}${separator}limit=${limit}&after=${encodeURIComponent(after)}`,
      );
      if (status !== 200) throw new Error(`${path}: ${status} ${text}`);
      if (json[member].length > limit) throw new Error(`a page of ${json[member].length}`);
      all.push(...json[member]);
      after = json.next;
    }
    return all;
  }
}
