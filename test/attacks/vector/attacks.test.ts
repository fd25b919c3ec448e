import { describeAttacks } from '../suite';
import { vectorAttacks } from './attacks';

describeAttacks(vectorAttacks, { atLeast: 70, needs: Boolean(process.env.LEASEHOLD_TEST_PGVECTOR) });
