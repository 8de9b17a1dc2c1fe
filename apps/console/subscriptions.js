/** What the connection is subscribed to, learnt from its frames, and how to subscribe to it again after a pause. */
export class Subscriptions {
  /** Frames of requests nobody has answered yet, by the channel they name. */
  #asked = new Map();
  /** Real channel → the frame that subscribed to it; `undefined` where the token did (autoSubscribe). */
  #active = new Map();

  /** @returns {string[]} real channel names */
  get channels() {
    return [...this.#active.keys()];
  }

  /** @param {Record<string, unknown> | undefined} frame */
  sent(frame, text) {
    if (frame?.event === 'hotsock.subscribe') this.#asked.set(frame.channel, text);
  }

  /** @param {Record<string, unknown> | undefined} frame */
  received(frame) {
    if (frame?.event === 'hotsock.subscribed') {
      this.#active.set(frame.channel, this.#take(frame.channel) ?? this.#take(frame.meta?.channelAlias));
    } else if (frame?.event === 'hotsock.unsubscribed') {
      this.#active.delete(frame.channel);
    } else if (frame?.event === 'hotsock.error') {
      this.#take(frame.channel);
    }
  }

  /** The socket is gone. @returns {string[]} frames that subscribe to the same channels again */
  takeAll() {
    const frames = [...this.#active.values()].filter((text) => text !== undefined);
    this.#asked.clear();
    this.#active.clear();
    return frames;
  }

  #take(name) {
    const text = this.#asked.get(name);
    this.#asked.delete(name);
    return text;
  }
}
