export * from './authorization';
export * from './canonical-request';
export * from './received-headers';
export * from './signature-error';
export * from './proven-keys';
export * from './verification';
