import { natsIsHere } from '../../contract/queue-harness';
import { describeAttacks } from '../suite';
import { queueAttacks } from './attacks';

describeAttacks(queueAttacks, { atLeast: 41, needs: natsIsHere() });
