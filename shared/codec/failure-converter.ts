// Puts a failure's message and stack trace into a payload, which the codec encrypts. Loaded by path, and bundled with the workflows.
import { DefaultFailureConverter } from '@temporalio/common';

export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });
