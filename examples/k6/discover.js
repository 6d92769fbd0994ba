// Asks the router how it is, and what it learns by reflection, with no file of ours.
//
//   k6 run --no-usage-report examples/k6/discover.js
import grpc from 'k6/net/grpc';
import { Counter } from 'k6/metrics';

const router = __ENV.MEDPORT_ROUTER || 'localhost:50050';
const services = ['', 'medport.hospital.v1', 'medport.ems.v1.BidService'];
const well = new Counter('well');
const client = new grpc.Client();

// Counted, because a script that broke off early has no failed check either.
export const options = { thresholds: { well: [`count==${services.length + 1}`] } };

export default function () {
  client.connect(router, { plaintext: true, reflect: true });
  for (const service of services) {
    // The same as client.healthCheck(service), which k6 has from 1.2 on.
    const health = client.invoke('grpc.health.v1.Health/Check', { service });
    if (health.status === grpc.StatusOK && health.message.status === 'SERVING') well.add(1);
  }
  const mesh = client.invoke('medport.router.v1.GatewayService/GetMeshStatus', {});
  if (mesh.status === grpc.StatusOK && mesh.message.silos.length === 3) well.add(1);
  client.close();
}
