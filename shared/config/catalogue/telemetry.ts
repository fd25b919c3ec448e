// Variables: traces. The names are OpenTelemetry's own; its SDK knows more of them (batch sizes, limits, timeouts), which work as well.
import { text } from '../schemas';
import { variables } from '../types';

const readBy = ['api', 'worker', 'host', 'receiver'] as const;

export const TRACES = variables({
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    doc: 'base url of a collector that takes OTLP over HTTP (JSON), such as `http://127.0.0.1:4318`. Without one nothing is traced, and it costs nothing',
    schema: text,
    readBy,
  },
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: { doc: 'the same for traces alone, with its path', schema: text, readBy },
  OTEL_EXPORTER_OTLP_HEADERS: {
    doc: '`name=value,...` sent with every batch, for instance the key of a service',
    schema: text,
    readBy,
    secret: true,
  },
  OTEL_SERVICE_NAME: { doc: 'the name of the service in traces', schema: text, defaultDoc: '`leasehold-<process>`', readBy },
  OTEL_RESOURCE_ATTRIBUTES: { doc: '`name=value,...` besides, such as `deployment.environment=production`', schema: text, readBy },
  OTEL_TRACES_SAMPLER: {
    doc: '`always_on`, `always_off`, `traceidratio` or one of these with `parentbased_` in front',
    schema: text,
    default: 'parentbased_always_on',
    readBy,
  },
  OTEL_TRACES_SAMPLER_ARG: { doc: 'share of traces that the ratio samplers keep, 0 to 1', schema: text, readBy },
  OTEL_TRACES_EXPORTER: { doc: '`none` switches traces off', schema: text, default: 'otlp', readBy },
  OTEL_SDK_DISABLED: { doc: '`true` switches traces off', schema: text, default: 'false', readBy },
});
