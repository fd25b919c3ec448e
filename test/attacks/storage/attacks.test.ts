import { canHaveSeaweedfs } from '../../harness/seaweedfs';
import { describeAttacks } from '../suite';
import { storageAttacks } from './attacks';

describeAttacks(storageAttacks, { atLeast: 200, needs: canHaveSeaweedfs() });
