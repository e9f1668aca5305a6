// The same objects as require('noex-cluster/testing') gives.
import testing from './testing.cjs';

export const { startMesh } = testing;
