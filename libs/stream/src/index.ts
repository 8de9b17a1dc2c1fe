export * from './acked-publisher';
export * from './connection';
export * from './deliver-reader';
export * from './deliver-subscriber';
export * from './gateway-rpc';
export * from './ingest-publisher';
export * from './ingest-reader';
export * from './streams';
