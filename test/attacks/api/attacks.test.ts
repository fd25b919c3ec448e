import { describeAttacks } from '../suite';
import { apiAttacks } from './attacks';

describeAttacks(apiAttacks, { atLeast: 120 });
