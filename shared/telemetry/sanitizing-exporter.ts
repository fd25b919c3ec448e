// Nothing secret leaves in a span: names, attributes, events (exceptions are events) and status pass the same filter as log lines.
import type { Attributes } from '@opentelemetry/api';
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace-base';
import { sanitize, sanitizeText } from '../sanitize';

export class SanitizingExporter implements SpanExporter {
  readonly #inner: SpanExporter;

  constructor(inner: SpanExporter) {
    this.#inner = inner;
  }

  export(spans: ReadableSpan[], done: Parameters<SpanExporter['export']>[1]): void {
    this.#inner.export(spans.map(cleanSpan), done);
  }

  shutdown(): Promise<void> {
    return this.#inner.shutdown();
  }

  async forceFlush(): Promise<void> {
    await this.#inner.forceFlush?.();
  }
}

/** The span stays what it is for whoever else holds it: what is clean lies over it. */
function cleanSpan(span: ReadableSpan): ReadableSpan {
  const { message } = span.status;
  const clean: Partial<ReadableSpan> = {
    name: sanitizeText(span.name),
    attributes: cleanAttributes(span.attributes),
    status: message === undefined ? span.status : { ...span.status, message: sanitizeText(message) },
    events: span.events.map((event) => ({
      ...event,
      name: sanitizeText(event.name),
      ...(event.attributes === undefined ? {} : { attributes: cleanAttributes(event.attributes) }),
    })),
    links: span.links.map((link) => ({
      ...link,
      ...(link.attributes === undefined ? {} : { attributes: cleanAttributes(link.attributes) }),
    })),
  };
  const own = Object.fromEntries(Object.entries(clean).map(([key, value]) => [key, { value, enumerable: true }]));
  return Object.create(span, own) as ReadableSpan;
}

/** `sanitize` opens objects, which no attribute should be; what came out as one is written as text. */
function cleanAttributes(attributes: Attributes): Attributes {
  const clean = sanitize(attributes) as Record<string, unknown>;
  return Object.fromEntries(Object.entries(clean).map(([key, value]) => [key, asAttribute(value)]));
}

function asAttribute(value: unknown): Attributes[string] {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' || value === undefined) return value;
  if (Array.isArray(value)) return value.map((element) => (typeof element === 'string' ? element : JSON.stringify(element)));
  return JSON.stringify(value);
}
