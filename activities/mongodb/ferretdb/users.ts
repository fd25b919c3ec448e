// Users inside one FerretDB process. Its tenant may create, change and drop users there, so nothing that is read from it is believed.
import { isUserThere, type Login, withLogin } from '../client';
import { PLATFORM_USER, USERS_DATABASE } from './spec';

export interface TenantUser {
  database: string;
  user: string;
  password: string;
}

export function platformLogin(address: { host: string; port: number }, password: string): Login {
  return { ...address, user: PLATFORM_USER, password, authSource: USERS_DATABASE };
}

/** FerretDB knows no roles: whoever can log in can do everything in this process. A user that is there gets the password. */
export async function putUsers(login: Login, users: TenantUser[]): Promise<void> {
  await withLogin(login, async (client) => {
    for (const { database, user, password } of users) {
      const pwd = { pwd: password, mechanisms: ['SCRAM-SHA-256'] };
      try {
        await client.db(database).command({ createUser: user, roles: [], ...pwd });
      } catch (error) {
        if (!isUserThere(error)) throw error;
        await client.db(database).command({ updateUser: user, ...pwd });
      }
    }
  });
}
