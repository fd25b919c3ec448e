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

function isScalar(value: unknown): value is string | number | boolean | undefined {
  return value === undefined || ['string', 'number', 'boolean'].includes(typeof value);
}

function asAttribute(value: unknown): Attributes[string] {
  if (isScalar(value)) return value;
  if (Array.isArray(value)) return value.every(isScalar) ? (value as Attributes[string]) : value.map((element) => JSON.stringify(element));
  return JSON.stringify(value);
}
