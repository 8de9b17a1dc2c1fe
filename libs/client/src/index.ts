export { HearthClient, type ChannelFacade } from './client';
export { HotsockClient } from './hotsock';
export { memoryStore, sessionStore } from './store';
export { VERSION } from './version';
export * from './errors';
export type { Binding, BindOptions, MessageFn, UnbindOptions } from './bindings';
export type { Connection } from './connection';
export type { ConnectionChannel, SubscriptionState } from './connection-channel';
export type { SubscribeTokenFn } from './types';
export type { TokenFn } from './token';
export type {
  ChannelState,
  ClientOptions,
  Gap,
  HearthChannel,
  HistoryOptions,
  Member,
  Message,
  Off,
  Presence,
  Published,
  PublishOptions,
  State,
  Storage,
  Store,
} from './types';
