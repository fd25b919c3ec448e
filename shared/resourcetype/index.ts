// The kinds of resource there are, with the names each goes by on the wire, in routes and on task queues.
export * from './kinds';
export type * from './types';
