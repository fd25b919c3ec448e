// Every attack on RabbitMQ, on a real server.
import { rabbitmqAttacks } from '../../attacks/rabbitmq/attacks';
import { describeAttacks } from '../../attacks/suite';
import { mayHaveRabbitmq } from './server';

describeAttacks(rabbitmqAttacks, { atLeast: 50, needs: mayHaveRabbitmq() });
