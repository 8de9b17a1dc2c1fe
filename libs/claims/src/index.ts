export * from './aliases';
export * from './bindings';
export * from './claims';
export * from './grants';
export * from './signing-keys';
export * from './signing-methods';
export * from './token-error';
export * from './verify-token';
