import { describeAttacks } from '../suite';
import { limitAttacks } from './attacks';

describeAttacks(limitAttacks, { atLeast: 25 });
