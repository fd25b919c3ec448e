import { describeAttacks } from '../suite';
import { signInAttacks } from './attacks';

describeAttacks(signInAttacks, { atLeast: 29 });
