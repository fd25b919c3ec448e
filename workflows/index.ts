// Every workflow type that the lifecycle worker knows; the bundle is made from this file.
export { deliver } from './notification';
export { refillPool } from './pool';
export { resource } from './resource';
export { sweep } from './sweep';
export { measureUsage } from './usage';
