#!/usr/bin/env bash
# Shows what there is, who may call it and what it refuses, and how the mesh is doing.
set -euo pipefail
router=${MEDPORT_ROUTER:-localhost:50050}
service=medport.hospital.v1.TransportRequestService

grpcurl -plaintext "$router" list
grpcurl -plaintext "$router" list $service
grpcurl -plaintext "$router" describe $service.CreateTransportRequest
grpcurl -plaintext -msg-template "$router" describe .medport.hospital.v1.CreateTransportRequestRequest

grpcurl -plaintext -d '{"service": "medport.hospital.v1"}' "$router" grpc.health.v1.Health/Check
grpcurl -plaintext "$router" medport.router.v1.GatewayService/GetMeshStatus

# Where reflection is shut, the descriptor set says the same: `make setup` builds it.
grpcurl -plaintext -protoset "${MEDPORT_DESCRIPTORS:-build/medport.binpb}" "$router" \
  medport.router.v1.GatewayService/GetMeshStatus
