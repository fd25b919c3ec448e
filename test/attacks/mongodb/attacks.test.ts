import { ferretdbIsThere } from '../../contract/mongodb-harness';
import { describeAttacks } from '../suite';
import { mongodbAttacks, mongodbOnPostgresAttacks } from './attacks';

for (const suite of [mongodbAttacks, mongodbOnPostgresAttacks]) describeAttacks(suite, { atLeast: 80, needs: ferretdbIsThere() });
