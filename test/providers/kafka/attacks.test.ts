import { kafkaAttacks } from '../../attacks/kafka/attacks';
import { describeAttacks } from '../../attacks/suite';
import { kafkaIsHere } from './harness';

describeAttacks(kafkaAttacks, { atLeast: 50, needs: kafkaIsHere() });
