// The kinds of resource there are, with the names each goes by on the wire, in routes, on task queues and on backends.
export * from './kinds';
export * from './objectname';
export type * from './types';
