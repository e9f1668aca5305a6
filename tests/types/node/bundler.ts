// A bundler's view, where one .ts may import by either name.

import { Cluster, type NodeInfo } from 'noex-cluster';
import { Cluster as Same } from 'noex-cluster/distribution';

export const same: boolean = Cluster === Same;
export const nodes: readonly NodeInfo[] = Same.getNodes();
