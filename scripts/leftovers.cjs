// Finds processes that a run has left: whatever has its folder in its command line, environment, working directory or open files.
// A server may change the first and the third, a daemon closes the last, and hardly anything rewrites the environment it began with.
const { readdirSync, readFileSync, readlinkSync } = require('node:fs');

/** @param {string} folder @returns {{ pid: number, command: string }[]} empty where there is no /proc */
function processesOf(folder) {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid)
    .flatMap((pid) => {
      const command = asked(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim());
      const isOurs = [
        () => command.includes(folder),
        () => readFileSync(`/proc/${pid}/environ`, 'utf8').includes(folder),
        () => readlinkSync(`/proc/${pid}/cwd`).startsWith(folder),
        () => readdirSync(`/proc/${pid}/fd`).some((fd) => asked(() => readlinkSync(`/proc/${pid}/fd/${fd}`)).startsWith(folder)),
      ].some((look) => asked(look) === true);
      return isOurs && !hasEnded(pid) ? [{ pid: Number(pid), command: command.slice(0, 200) }] : [];
    });
}

/** One that nobody has waited for yet holds nothing any more. */
function hasEnded(pid) {
  const stat = asked(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  return stat === '' || stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
}

/** Another user's, or ended while it was looked at. */
function asked(look) {
  try {
    return look();
  } catch {
    return '';
  }
}

module.exports = { processesOf };
