export * from './authorization';
export * from './canonical-request';
export * from './hmac';
export * from './received-headers';
export * from './sha256';
export * from './signature-error';
export * from './signing-keys';
export * from './verification';
