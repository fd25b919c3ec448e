import { describeAttacks } from '../suite';
import { webhookAttacks } from './attacks';

describeAttacks(webhookAttacks, { atLeast: 100 });
