// A cluster health monitor: who is there, who came and went, and how healthy the cluster is. In three terminals:
//
//     node health-monitor.mjs monitor1 4369
//     node health-monitor.mjs monitor2 4370 monitor1@localhost:4369
//     node health-monitor.mjs monitor3 4371 monitor1@localhost:4369

import { Cluster } from 'noex-cluster/distribution';

// Event history (keep last 100)
const eventHistory = [];
const MAX_EVENTS = 100;

function addEvent(event) {
  eventHistory.push(event);
  if (eventHistory.length > MAX_EVENTS) {
    eventHistory.shift();
  }
}

function setupEventTracking() {
  Cluster.onNodeUp((node) => {
    addEvent({ timestamp: Date.now(), nodeId: node.id, event: 'joined' });
    console.log(`[EVENT] Node joined: ${node.id}`);
  });

  Cluster.onNodeDown((nodeId, reason) => {
    addEvent({ timestamp: Date.now(), nodeId, event: 'left', reason });
    console.log(`[EVENT] Node left: ${nodeId} (${reason})`);
  });
}

function getClusterHealth() {
  const connectedNodes = Cluster.getConnectedNodeCount();
  const totalKnownNodes = Cluster.getNodes().length;
  const uptimeMs = Cluster.getUptimeMs();

  // Calculate availability (connected / total known)
  const availabilityPercent = totalKnownNodes > 0 ? Math.round((connectedNodes / totalKnownNodes) * 100) : 100;

  // Count recent failures (last 5 minutes)
  const fiveMinutesAgo = Date.now() - 5 * 60 * 1000;
  const recentFailures = eventHistory.filter((e) => e.event === 'left' && e.timestamp > fiveMinutesAgo).length;

  // Determine health status
  let status;
  if (availabilityPercent >= 80 && recentFailures <= 1) {
    status = 'healthy';
  } else if (availabilityPercent >= 50 && recentFailures <= 3) {
    status = 'degraded';
  } else {
    status = 'critical';
  }

  return { status, connectedNodes, totalKnownNodes, recentEvents: eventHistory.slice(-5), uptimeMs, availabilityPercent };
}

function formatUptime(ms) {
  const seconds = Math.floor(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);

  if (hours > 0) {
    return `${hours}h ${minutes % 60}m ${seconds % 60}s`;
  }
  if (minutes > 0) {
    return `${minutes}m ${seconds % 60}s`;
  }
  return `${seconds}s`;
}

function formatTimestamp(ts) {
  return new Date(ts).toLocaleTimeString();
}

function printHealthReport() {
  console.clear();

  const health = getClusterHealth();
  const localId = Cluster.getLocalNodeId();

  // Status colors (ANSI)
  const statusColors = {
    healthy: '\x1b[32m', // Green
    degraded: '\x1b[33m', // Yellow
    critical: '\x1b[31m', // Red
  };
  const reset = '\x1b[0m';
  const bold = '\x1b[1m';
  const dim = '\x1b[2m';

  console.log(`${bold}═══════════════════════════════════════════════════════════════${reset}`);
  console.log(`${bold}                    CLUSTER HEALTH MONITOR                       ${reset}`);
  console.log(`${bold}═══════════════════════════════════════════════════════════════${reset}`);
  console.log();

  // Local node info
  console.log(`${bold}Local Node${reset}`);
  console.log(`  ID:     ${localId}`);
  console.log(`  Uptime: ${formatUptime(health.uptimeMs)}`);
  console.log();

  // Cluster status
  const statusColor = statusColors[health.status];
  console.log(`${bold}Cluster Status${reset}`);
  console.log(`  Health:       ${statusColor}${health.status.toUpperCase()}${reset}`);
  console.log(`  Availability: ${health.availabilityPercent}%`);
  console.log(`  Connected:    ${health.connectedNodes} / ${health.totalKnownNodes} nodes`);
  console.log();

  // Connected nodes
  const connected = Cluster.getConnectedNodes();
  console.log(`${bold}Connected Nodes${reset}`);
  if (connected.length === 0) {
    console.log(`  ${dim}(none)${reset}`);
  } else {
    for (const node of connected) {
      const uptime = formatUptime(node.uptimeMs);
      console.log(`  - ${node.id}`);
      console.log(`    ${dim}processes: ${node.processCount}, uptime: ${uptime}${reset}`);
    }
  }
  console.log();

  // Recent events
  console.log(`${bold}Recent Events${reset}`);
  if (health.recentEvents.length === 0) {
    console.log(`  ${dim}(no events)${reset}`);
  } else {
    for (const event of health.recentEvents.reverse()) {
      const time = formatTimestamp(event.timestamp);
      const icon = event.event === 'joined' ? '\x1b[32m+\x1b[0m' : '\x1b[31m-\x1b[0m';
      const reason = event.reason ? ` (${event.reason})` : '';
      console.log(`  ${icon} [${time}] ${event.nodeId}${reason}`);
    }
  }
  console.log();

  console.log(`${dim}Last updated: ${new Date().toISOString()} | Press Ctrl+C to exit${reset}`);
}

async function main() {
  const name = process.argv[2] || 'monitor';
  const port = parseInt(process.argv[3] || '4369', 10);
  const seeds = process.argv.slice(4);

  console.log(`Starting cluster health monitor: ${name}`);
  console.log(`Port: ${port}`);
  console.log(`Seeds: ${seeds.length > 0 ? seeds.join(', ') : '(none)'}`);
  console.log();

  // Setup tracking before starting
  setupEventTracking();

  // Start cluster
  await Cluster.start({
    nodeName: name,
    port,
    seeds,
    heartbeatIntervalMs: 3000,
    heartbeatMissThreshold: 2,
  });

  console.log(`Cluster started as ${Cluster.getLocalNodeId()}`);

  // Initial report after short delay, then periodic ones
  const timers = [setTimeout(printHealthReport, 1000), setInterval(printHealthReport, 5000)];

  // Graceful shutdown
  async function shutDown() {
    console.log('\nShutting down monitor...');
    timers.forEach(clearTimeout); // no report of a cluster that is being left
    await Cluster.stop();
    process.exit(0);
  }

  process.on('SIGINT', shutDown);
  process.on('SIGTERM', shutDown);
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
