// The order of a run without remembered durations, such as on a new machine: what takes longest first, so that no worker ends alone with it.
const Sequencer = require('@jest/test-sequencer').default;

const LONGEST = [
  'test/attacks/storage/',
  'test/lifecycle/crash',
  'test/contract/mongodb.test',
  'test/lifecycle/continue-as-new',
  'test/contract/storageprovider',
  'test/attacks/mongodb/',
  'test/contract/storage-deletion',
  'activities/host/',
  'test/contract/storage.test',
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
