import type { Frame } from './frames';
import type { ToHub, ToTabs } from './tabs';
import { type CopyMemory, isAuto, isMessage, type Point, SharedChannel, type Subscribe } from './tabs-channel';
import type { Socket } from './types';

/** A tab that is ahead waits so long for what it has seen already. */
const AHEAD_MS = 10_000;

/** What a tab has sent. */
interface Sent {
  readonly from: string;
  readonly frame: Frame;
}

/** Of so many channels it is known who spoke last. */
const MAX_SPEAKERS = 1_000;

/**
 * The tab that connects, for all tabs: what one of them asks for is asked once, and what the server says goes to those whom
 * it concerns. Each has points of its own; one that is behind has the channel subscribed again from there, and the others
 * know what they have had. The server says where the past ends (`hotsock.channelStorageSynced` comes behind it), so a point that
 * is not known then is an older one, or, by its id, one that is still to come.
 */
export class Hub {
  private readonly tabs = new Map<string, string>();
  private readonly channels = new Map<string, SharedChannel>();
  private readonly names = new Map<string, string>();
  /** Who sent what is not answered, by `ref`, and who spoke last, by channel. */
  private readonly refs = new Map<string, Sent>();
  private readonly speakers = new Map<string, string>();
  /** Answers of the server that are still to come, by channel: it was told that nobody wants it for now. */
  private readonly leaving = new Map<string, number>();
  /** Those that wait, each with the timer that ends it. */
  private readonly timed = new Map<Subscribe, ReturnType<typeof setTimeout>>();
  private connected: { readonly text: string; readonly frame: Frame } | undefined;
  private isOpen = false;
  private isOver = false;

  constructor(
    private readonly ws: Socket,
    private readonly say: (message: ToTabs) => void,
    private readonly leader: string,
    private readonly watch: (tab: string, gone: () => void) => void,
    private readonly memory: CopyMemory,
  ) {
    ws.onopen = () => {
      this.isOpen = true;
      this.say({ to: [leader], isOpen: true });
    };
    ws.onmessage = ({ data }: { data: unknown }) => {
      if (!this.isOver) this.received(String(data));
    };
    ws.onerror = () => undefined;
    ws.onclose = ({ code = 1006, reason = '' }: { code?: number; reason?: string }) => this.over(code, reason);
  }

  /** The connection ends, because its tab does not want it any more: the others make their own. */
  stop(): void {
    const others = [...this.tabs.keys()].filter((tab) => tab !== this.leader);
    this.over(1001, '', others);
    this.ws.close();
  }

  take({ from, url, text, isOver }: ToHub): void {
    if (this.isOver) return;
    if (isOver === true) return this.left(from);
    if (url !== undefined) return this.came(from, url);
    if (from !== this.leader) this.say({ to: [from] });
    if (text !== undefined && this.tabs.has(from)) this.asked(from, text);
  }

  private over(code: number, reason: string, to?: readonly string[]): void {
    if (this.isOver) return;
    this.isOver = true;
    for (const timer of this.timed.values()) clearTimeout(timer);
    // Its tab goes on, and has what is not answered sent again.
    const unanswered = to === undefined ? [...this.refs.values()] : [];
    this.refs.clear();
    for (const { frame } of unanswered) this.noteLast(frame);
    this.memory.flush();
    this.say({ to, code, reason });
  }

  private came(tab: string, url: string): void {
    const isNew = !this.tabs.has(tab);
    this.tabs.set(tab, url);
    if (isNew && tab !== this.leader) this.watch(tab, () => this.left(tab));
    if (this.connected === undefined) this.say({ to: [tab], isOpen: tab === this.leader && this.isOpen });
    else this.welcome(tab, url);
  }

  private welcome(tab: string, url: string): void {
    this.say({ to: [tab], isOpen: true, text: this.connected?.text });
    for (const channel of this.channels.values()) {
      if (isAuto(channel.subscribed)) this.join(channel, tab, pointOf(url, channel.subscribed));
    }
  }

  private left(tab: string): void {
    if (this.isOver) return;
    this.tabs.delete(tab);
    for (const channel of [...this.channels.values()]) if (channel.tabs.has(tab)) this.unsubscribe(channel, tab);
  }

  /** A frame of a tab. */
  private asked(from: string, text: string): void {
    let frame: Frame = {};
    try {
      frame = (JSON.parse(text) as Frame | null) ?? {};
    } catch {
      // The server says what is wrong with it.
    }
    const { event, channel = '', ref } = frame;
    this.speakers.delete(channel);
    this.speakers.set(channel, from);
    const [first = ''] = this.speakers.keys();
    if (this.speakers.size > MAX_SPEAKERS) this.speakers.delete(first);
    if (ref !== undefined) this.sent(ref, from, frame);
    if (event === 'hotsock.subscribe') return this.subscribe(from, frame as Subscribe);
    const known = this.find(channel);
    if (event !== 'hotsock.unsubscribe' || known === undefined) return this.ws.send(text);
    this.unsubscribe(known, from);
    this.say({ to: [from], text: JSON.stringify({ event: 'hotsock.unsubscribed', channel: known.name, data: {} }) });
  }

  /** While it is not answered nobody knows whether there is a copy: should this tab end now, the others are told of a gap. */
  private sent(ref: string, from: string, frame: Frame): void {
    this.refs.set(ref, { from, frame });
    const channel = this.find(frame.channel ?? '');
    const isSure = channel === undefined || channel.echoed.has(frame.event) || !isMessage(frame);
    if (from === this.leader && !isSure) this.memory.begin(channel.name, ref);
  }

  private noteLast({ channel: name = '' }: Frame): void {
    const channel = this.find(name);
    const isOpen = [...this.refs.values()].some(
      ({ from, frame }) => from === this.leader && frame.channel === name && isMessage(frame),
    );
    if (channel !== undefined && !isOpen) this.memory.settle(channel.name, channel.lastCopied);
  }

  private subscribe(from: string, frame: Subscribe): void {
    const known = this.find(frame.channel);
    const channel = known ?? new SharedChannel(frame.channel, this.memory);
    if (known === undefined) this.channels.set(frame.channel, channel);
    const { resume } = frame.data ?? {};
    const isKnown = typeof resume !== 'object' || channel.since(resume) !== undefined || !channel.hasPlace(resume);
    const isOlder = !isKnown && channel.synced !== undefined && (resume.after ?? '') < (channel.last ?? '');
    if (channel.asker !== undefined) channel.waiting.push([from, frame]);
    else if (channel.subscribed === undefined) this.ask(channel, from, frame);
    else if (isKnown && !channel.isStale) this.join(channel, from, resume);
    else if (isOlder || channel.isStale) {
      this.leave(channel);
      const { last } = channel;
      for (const tab of channel.tabs) if (last !== undefined && !channel.ahead.has(tab)) channel.ahead.set(tab, last);
      this.ask(channel, from, frame);
    } else this.wait(channel, [from, frame]);
  }

  private wait(channel: SharedChannel, entry: [tab: string, frame: Subscribe]): void {
    channel.waiting.push(entry);
    const [tab, frame] = entry;
    if (this.timed.has(frame)) return;
    const end = (): void => {
      this.timed.delete(frame);
      const others = channel.waiting.filter(([, one]) => one !== frame);
      if (this.isOver || others.length === channel.waiting.length || channel.subscribed === undefined) return;
      channel.waiting = others;
      // What it has missed nobody can say: it is told that.
      this.join(channel, tab, frame.data?.resume);
    };
    this.timed.set(frame, setTimeout(end, AHEAD_MS));
  }

  /** Those that wait may be known by now. */
  private goOn(channel: SharedChannel): void {
    if (channel.asker !== undefined) return;
    const waiting = channel.waiting;
    channel.waiting = [];
    for (const [tab, frame] of waiting) this.subscribe(tab, frame);
  }

  private ask(channel: SharedChannel, from: string, frame: Subscribe): void {
    channel.asker = from;
    channel.asked = frame;
    channel.tabs.add(from);
    // The next tab may want to know where the entries end.
    const data = frame.data?.resume === undefined ? frame.data : { ...frame.data, storage: true };
    this.ws.send(JSON.stringify({ ...frame, data }));
  }

  /** A tab comes to what is subscribed already. */
  private join(channel: SharedChannel, tab: string, resume: Point | boolean | undefined): void {
    if (!this.tabs.has(tab)) return;
    channel.tabs.add(tab);
    channel.ahead.delete(tab);
    const { data, ...frame } = channel.subscribed ?? {};
    const since = typeof resume === 'object' ? channel.since(resume) : undefined;
    const isWhole = since?.isWhole === true;
    const complete = typeof resume === 'object' ? isWhole : undefined;
    const end = !isWhole && { after: channel.last, copy: channel.lastCopied };
    const resumed = data?.resume && { complete, token: data.resume.token, ...end };
    const answer = { ...data, resume: resumed, members: channel.members };
    const texts = [JSON.stringify({ ...frame, data: answer }), ...(since?.texts ?? []), ...channel.storage.values()];
    if (channel.synced !== undefined) texts.push(channel.synced);
    for (const text of texts) this.say({ to: [tab], text });
  }

  private unsubscribe(channel: SharedChannel, tab: string): void {
    channel.tabs.delete(tab);
    channel.ahead.delete(tab);
    const waiting = (channel.waiting = channel.waiting.filter(([one]) => one !== tab));
    if (channel.tabs.size > 0 || isAuto(channel.subscribed)) return;
    this.channels.delete(channel.name);
    this.leave(channel);
    channel.waiting = [];
    for (const [one, frame] of waiting) this.subscribe(one, frame);
  }

  private leave({ name }: SharedChannel): void {
    this.leaving.set(name, (this.leaving.get(name) ?? 0) + 1);
    this.ws.send(JSON.stringify({ event: 'hotsock.unsubscribe', channel: name }));
  }

  /** Whether the frame is about a subscription that nobody asks about any more. */
  private isLeaving(name: string, isEnd: boolean): boolean {
    const count = this.leaving.get(name) ?? 0;
    if (isEnd && count > 1) this.leaving.set(name, count - 1);
    else if (isEnd) this.leaving.delete(name);
    return count > 0;
  }

  private find(name: string): SharedChannel | undefined {
    return this.channels.get(this.names.get(name) ?? name);
  }

  /** A frame of the server. */
  private received(text: string): void {
    let frame: Frame;
    try {
      frame = (JSON.parse(text) as Frame | null) ?? {};
    } catch {
      // Each tab tells its application.
      return this.say({ text });
    }
    const { event, channel: name, ref, error } = frame;
    if (event === 'hotsock.connected') {
      this.connected = { text, frame };
      for (const [tab, url] of this.tabs) this.welcome(tab, url);
    } else if (event === 'hotsock.ping') this.say({ to: [this.leader], text });
    else if (ref !== undefined) this.answered(ref, text, frame);
    else if (event === 'hotsock.subscribed') this.subscribed(frame);
    else if (error !== undefined) this.refused(text, frame);
    else if (name === undefined) this.say({ text });
    else this.live(text, frame);
  }

  private live(text: string, frame: Frame): void {
    const { event, channel: name = '', id, key = '', data } = frame;
    const channel = this.find(name);
    if (this.isLeaving(name, event === 'hotsock.unsubscribed') || channel === undefined) return;
    if (event === 'hotsock.unsubscribed') this.channels.delete(channel.name);
    else if (event === 'hotsock.messagesMissed') channel.isStale = true;
    else if (event === 'hotsock.channelStorageUpdated') channel.storage.set(key, text);
    else if (event === 'hotsock.channelStorageSynced') channel.synced = text;
    else if (event?.startsWith('hotsock.member') === true) channel.members = data?.members;
    const copy = channel.copyOf(id ?? '');
    if (id !== undefined) channel.keep({ id, text: copy === undefined ? text : undefined });
    const { ahead } = channel;
    const to = [...channel.tabs].filter((tab) => id === undefined || !ahead.has(tab));
    if (copy === undefined) this.say({ to, text });
    else {
      // An echo of what the others have had as a copy: they go on from there.
      channel.echoed.add(event);
      this.say({ to: to.filter((tab) => tab === copy.from), text });
      this.say({ to: to.filter((tab) => tab !== copy.from), text: JSON.stringify({ id, channel: channel.name }) });
    }
    for (const [tab, upTo] of ahead) if (upTo === id) ahead.delete(tab);
    if (id === undefined && event !== 'hotsock.channelStorageSynced') return;
    const due = channel.due(id);
    for (const one of due.texts) this.say({ to: due.to, text: one });
    this.goOn(channel);
  }

  private subscribed(answer: Frame): void {
    const { channel: name = '', meta } = answer;
    const alias = meta?.channelAlias;
    const channel =
      this.channels.get(name) ??
      this.channels.get(alias ?? name) ??
      (isAuto(answer) ? new SharedChannel(name, this.memory) : undefined);
    if (this.isLeaving(name, false) || channel === undefined) return;
    // It stays what it was when it has been asked for again.
    const data = isAuto(channel.subscribed) ? { ...answer.data, autoSubscribed: true } : answer.data;
    const frame = { ...answer, data };
    this.channels.delete(channel.name);
    this.channels.set(name, channel);
    channel.rename(name);
    if (alias !== undefined) this.names.set(alias, name);
    const { asker = this.leader, asked } = channel;
    const resume = asked === undefined ? pointOf(this.tabs.get(this.leader) ?? '', frame) : asked.data?.resume;
    channel.subscribed = frame;
    channel.asker = channel.asked = channel.synced = undefined;
    channel.members = data?.members;
    channel.storage.clear();
    channel.begin(typeof resume === 'object' && data?.resume?.complete === true ? resume : data?.resume && {});
    // Where nobody has asked it where its entries end, whoever wants to know does.
    channel.isStale = isAuto(answer) && data?.storage !== true;
    channel.tabs.add(asker);
    channel.ahead.delete(asker);
    this.say({ to: [asker], text: JSON.stringify({ ...frame, data: this.copied(channel, asker, resume, data) }) });
    // What the others get now may have a hole that is not theirs to know: they ask for themselves.
    if (typeof resume === 'object' && data?.resume?.complete === false) this.dismiss(channel, [asker]);
    this.goOn(channel);
    if (!isAuto(frame)) return;
    for (const [tab, url] of this.tabs) if (!channel.tabs.has(tab)) this.join(channel, tab, pointOf(url, frame));
  }

  /** What the server says of a new subscription, and what is known of copies besides. */
  private copied(
    channel: SharedChannel,
    asker: string,
    point: Point | boolean | undefined,
    data: Frame['data'],
  ): object {
    const from = typeof point === 'object' ? point : undefined;
    const copies = from && channel.copiesSince(from);
    channel.owe(asker, copies ?? []);
    const resume = data?.resume;
    if (resume === undefined || (copies !== undefined && resume.complete !== false)) return data ?? {};
    // Whoever cannot go on from its point forgets it: what it has had of copies is said again.
    if (copies !== undefined) return { ...data, resume: { ...resume, copy: from?.copy } };
    const lost = from && { complete: false, after: from.after };
    return { ...data, resume: { ...resume, copy: channel.lastCopied, ...lost } };
  }

  /** An error that answers no `ref`: of whoever spoke last of the channel. */
  private refused(text: string, { channel: name = '', error }: Frame): void {
    if (error?.code === 'NOT_SUBSCRIBED' && this.isLeaving(name, true)) return;
    // Of who asked for what the token subscribes, before it was left to be asked for again.
    if (error?.code === 'ALREADY_SUBSCRIBED' && this.isLeaving(name, false)) return;
    const channel = this.find(name);
    if (channel?.asker === undefined) return this.say({ to: [this.speakers.get(name) ?? this.leader], text });
    this.channels.delete(channel.name);
    const asking = [channel.asker, ...channel.waiting.map(([tab]) => tab)];
    this.say({ to: asking, text });
    // They were subscribed until it was asked for again.
    this.dismiss(channel, asking);
  }

  /** All tabs of a channel but these are not subscribed any more: those that want it ask for it. */
  private dismiss(channel: SharedChannel, but: readonly string[]): void {
    const others = [...channel.tabs].filter((tab) => !but.includes(tab));
    for (const tab of others) channel.tabs.delete(tab);
    channel.ahead.clear();
    const ended = { event: 'hotsock.unsubscribed', channel: channel.name, data: {} };
    this.say({ to: others, text: JSON.stringify(ended) });
  }

  /** An answer to one tab. The others hear of what was published, as other connections would. */
  private answered(ref: string, text: string, frame: Frame): void {
    const sent = this.refs.get(ref);
    this.refs.delete(ref);
    if (sent === undefined) return;
    this.passOn(sent, text, frame);
    this.noteLast(sent.frame);
  }

  private passOn(sent: Sent, text: string, { event, channel: name = '', data }: Frame): void {
    const { id } = (data ?? {}) as { id?: string | null };
    const channel = this.find(name);
    if (id && channel?.has(id) === true) channel.echoed.add(sent.frame.event);
    const isCopied = event === 'hotsock.published' && isMessage(sent.frame);
    if (!id || !isCopied || channel === undefined || channel.echoed.has(sent.frame.event)) {
      return this.say({ to: [sent.from], text });
    }
    this.say({ to: [sent.from], text: JSON.stringify({ ...(JSON.parse(text) as Frame), copy: id }) });
    // Who was away when it was answered has sent it again.
    if (channel.copyOf(id) !== undefined) return;
    const { uid, umd } = channel.subscribed?.meta ?? this.connected?.frame.meta ?? {};
    const copy = JSON.stringify({
      ...{ id, event: sent.frame.event, channel: name, data: sent.frame.data ?? null },
      meta: { uid: uid ?? null, umd: umd ?? null },
      copy: id,
    });
    channel.keepCopy(id, copy, sent.from);
    this.say({ to: [...channel.tabs].filter((tab) => tab !== sent.from), text: copy });
  }
}

/** What a tab's URL asks for of an auto-subscribed channel; `undefined` when it does not resume. */
function pointOf(url: string, { channel = '', meta }: Frame = {}): Point | boolean | undefined {
  const text = new URL(url).searchParams.get('resume');
  if (text === null) return undefined;
  const bytes = Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (byte) => byte.charCodeAt(0));
  const points = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, Point | boolean>;
  return points[channel] ?? points[meta?.channelAlias ?? channel] ?? true;
}
