// A small load of reads as one user: a connection per virtual user, described by the descriptor set.
// What it demands is that none fails; how fast they are says something about this machine, too.
//
//   MEDPORT_PASSWORD=... MEDPORT_EMAIL=case.manager.1@upmc.example \
//     k6 run --no-usage-report examples/k6/reads.js
import grpc from 'k6/net/grpc';
import { Counter } from 'k6/metrics';

const router = __ENV.MEDPORT_ROUTER || 'localhost:50050';
const hospital = 'medport.hospital.v1';
const refused = new Counter('refused');
const answered = new Counter('answered');
const client = new grpc.Client();
client.loadProtoset(__ENV.MEDPORT_DESCRIPTORS || '../../build/medport.binpb');

// Below what one user may ask for at once.
export const options = {
  scenarios: { reads: { executor: 'per-vu-iterations', vus: 6, iterations: 10 } },
  thresholds: { refused: ['count==0'], answered: ['count==60'] },
};

function ask(method, request, metadata) {
  const answer = client.invoke(`${hospital}.${method}`, request, { metadata, timeout: '5s' });
  if (answer.status !== grpc.StatusOK) {
    console.error(`${method}: ${answer.status} ${answer.error && answer.error.message}`);
  }
  return answer;
}

export function setup() {
  client.connect(router, { plaintext: true });
  const login = { email: __ENV.MEDPORT_EMAIL, password: __ENV.MEDPORT_PASSWORD };
  const made = ask('SessionService/CreateSession', login).message;
  client.close();
  return { hospitalId: made.session.hospitalId, bearer: `Bearer ${made.accessToken}` };
}

export default function (session) {
  if (__ITER === 0) client.connect(router, { plaintext: true });
  const answer = ask(
    'TransportRequestService/ListTransportRequests',
    { hospitalId: session.hospitalId, pageSize: 10 },
    { authorization: session.bearer },
  );
  (answer.status === grpc.StatusOK ? answered : refused).add(1);
}
