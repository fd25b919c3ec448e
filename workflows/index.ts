// Every workflow type that the lifecycle worker knows; the bundle is made from this file.
export { resource } from './resource';
