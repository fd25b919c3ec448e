// A busy machine: a hook or test that takes a minute is slow, not wrong. Longer than any wait inside a test, which says what it waited for.
jest.setTimeout(180_000);
