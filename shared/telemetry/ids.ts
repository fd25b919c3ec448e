// The provider's ids: random, unless they were chosen for the span that is being started.
import { type IdGenerator, RandomIdGenerator } from '@opentelemetry/sdk-trace-base';
import { chosenIds } from './chosen-ids';

export class ChosenIdGenerator implements IdGenerator {
  readonly #random = new RandomIdGenerator();

  generateTraceId(): string {
    return chosenIds()?.traceId ?? this.#random.generateTraceId();
  }

  generateSpanId(): string {
    return chosenIds()?.spanId ?? this.#random.generateSpanId();
  }
}
