export * from './authorization';
export * from './canonical-request';
export * from './received-headers';
export * from './signature-error';
export * from './signing-keys';
export * from './verification';
