// The record itself: changed, read by others, used against its reader.
import type { Attack } from '../attack';
import { attack, attempt, isOnRecord, type Stage } from './attempt';

/** `insufficient_privilege` */
const REFUSED = '42501';

export function recordAttacks(stage: Stage): Attack[] {
  return [...rewriting(stage), ...reading(stage)];
}

/** As the role that every process connects as. */
function rewriting({ world }: Stage): Attack[] {
  const tables = ['audit_logs', 'resource_events'];
  const statements = (table: string) => [
    `UPDATE ${table} SET actor_id = 'nobody'`,
    `DELETE FROM ${table}`,
    `TRUNCATE ${table}`,
    `ALTER TABLE ${table} DISABLE TRIGGER ALL`,
    `DROP TABLE ${table}`,
    `GRANT ALL ON ${table} TO leasehold_app`,
  ];
  return tables.flatMap((table) =>
    statements(table).map((statement) =>
      attack(`the record: ${statement}`, async () => {
        try {
          await world.database.pool.query(statement);
        } catch (error) {
          return (error as { code?: string }).code === REFUSED ? null : String(error);
        }
        // A grant that one may not give is a warning, and gives nothing.
        const { rows } = await world.database.pool.query<{ may: boolean }>(
          `SELECT has_table_privilege('${table}', 'UPDATE, DELETE, TRUNCATE') AS may`,
        );
        return statement.startsWith('GRANT') && rows[0]?.may === false ? null : 'it went through';
      }),
    ),
  );
}

function reading({ world, attacker, victim }: Stage): Attack[] {
  return [
    attack('the record: another team’s lines', async () => {
      const { id } = await world.resource(victim.id);
      const own = await attempt(world, { route: '/api/v1/audit?limit=200', bearer: attacker.keys.admin });
      const named = await attempt(world, { route: `/api/v1/audit?target=${id}`, bearer: attacker.keys.admin });
      if (own.answer.status !== 200 || named.answer.status !== 200) throw new Error(own.answer.text);
      const teams = own.answer.body.items.map((item) => (item as unknown as { team_id: string }).team_id);
      if (teams.length === 0 || teams.some((team) => team !== attacker.id)) return `the list is of ${teams.join(', ')}`;
      return named.answer.body.items.length === 0 ? null : 'a filter opens them';
    }),
    attack('the record: who tried, told to those it was tried on', async () => {
      const { id } = await world.resource(victim.id);
      const bearer = await world.session(attacker.people.owner);
      const { requestId } = await attempt(world, { route: `DELETE /api/v1/resources/${id}`, bearer });
      if (!(await isOnRecord(world, requestId))) throw new Error('the try is not on the record');
      const { answer } = await attempt(world, { route: `/api/v1/audit?request_id=${requestId}`, bearer: victim.keys.admin });
      if (answer.body.items.length !== 1) throw new Error(answer.text);
      const named = [attacker.id, attacker.people.owner.userId, '127.0.0.1'].filter((text) => answer.text.includes(text));
      return named.length === 0 ? null : `it names ${named.join(', ')}`;
    }),
    attack('the record: whether another’s id exists, told by the own lines', async () => {
      const { id } = await world.resource(victim.id);
      const tried = await attempt(world, { route: `DELETE /api/v1/resources/${id}`, bearer: attacker.keys.admin });
      if (!(await isOnRecord(world, tried.requestId))) throw new Error('the try is not on the record');
      const { answer } = await attempt(world, { route: `/api/v1/audit?target=${id}`, bearer: attacker.keys.admin });
      return answer.body.items.length === 0 ? null : 'a line of the own team names it';
    }),
    attack('the record: a formula for the reader’s spreadsheet', async () => {
      const bearer = await world.session(attacker.people.owner);
      const requestId = `-1.${Date.now()}`;
      const headers = { 'x-request-id': requestId };
      await world.call('PATCH /api/v1/team', { bearer, headers, body: { name: '=HYPERLINK("http://evil.test","x")' } });
      const { answer } = await attempt(world, { route: `/api/v1/audit.csv?request_id=${requestId}`, bearer });
      if (!answer.text.includes(requestId)) throw new Error(answer.text);
      const cells = answer.text.split(/\r\n/).flatMap((line) => line.split(/,(?=(?:[^"]*"[^"]*")*[^"]*$)/));
      const formula = cells.find((cell) => /^"?[=+\-@\t]/.test(cell));
      return formula === undefined ? null : `a cell is ${formula}`;
    }),
  ];
}
