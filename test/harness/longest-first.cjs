// The order of a run without remembered durations, such as on a new machine: what takes longest first, so that no worker ends alone with it.
const Sequencer = require('@jest/test-sequencer').default;

const LONGEST = [
  'test/system/product',
  'test/system/outage',
  'test/system/kinds',
  'test/system/idempotency',
  'test/attacks/storage/',
  'test/access/matrix',
  'test/contract/mongodb.test',
  'test/lifecycle/crash',
  'test/attacks/mongodb/',
  'test/lifecycle/continue-as-new',
  'activities/host/',
  'shared/relay/',
  'test/contract/storage-deletion',
  'test/contract/storage.test',
  'test/codec/',
  'test/claim/',
  'test/lifecycle/',
  'workflows/pool/',
  'test/notification/',
];

class LongestFirst extends Sequencer {
  sort(tests) {
    const rank = ({ path }) => {
      const index = LONGEST.findIndex((part) => path.includes(part));
      return index < 0 ? LONGEST.length : index;
    };
    return super.sort(tests).sort((a, b) => rank(a) - rank(b));
  }
}

module.exports = LongestFirst;
