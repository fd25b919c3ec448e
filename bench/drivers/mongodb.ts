import { MongoClient } from 'mongodb';
import { CONNECT_MS, type KindDriver } from './types';

export const mongodbDriver: KindDriver = {
  kind: 'mongodb',
  driver: 'mongodb',
  async open({ connection_url }) {
    const client = new MongoClient(connection_url, {
      serverSelectionTimeoutMS: CONNECT_MS,
      connectTimeoutMS: CONNECT_MS,
      retryReads: false,
      retryWrites: false,
      maxPoolSize: 1,
    });
    try {
      await client.connect();
      await client.db().command({ ping: 1 });
    } catch (error) {
      await client.close();
      throw error;
    }
    const kept = client.db().collection<{ _id: number; value: string }>('kept');
    return {
      async ping() {
        await client.db().command({ ping: 1 });
        await kept.estimatedDocumentCount();
      },
      async write(value) {
        await kept.updateOne({ _id: 1 }, { $set: { value } }, { upsert: true });
      },
      async read() {
        return (await kept.findOne({ _id: 1 }))?.value ?? '';
      },
      close: () => client.close(),
    };
  },
};
