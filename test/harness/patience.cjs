// Real servers on a busy machine: a hook or test that takes a minute is slow, not wrong.
jest.setTimeout(60_000);
