// Traces: set up once a process when an exporter is configured by the standard variables; without one, every call here does nothing.

export { registerBuildInfo } from './build-info';
export { type RequestSpan, startRequestSpan } from './request';
export { activeTraceparent, inSpan, recordUncaught } from './span';
export { startTelemetry, type Telemetry } from './start';
export { activityTracing, clientTracing, recordSpan } from './temporal';
