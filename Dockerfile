# One image for every process of the mesh; the command says which:
#   python -m hospital_svc|ems_svc|center_svc serve|migrate     python -m router serve
#
# BASE is any image with Python >= 3.11 and its venv module. Where no index can be reached, fill
# build/wheels before:  pip download --require-hashes -r constraints.txt -d build/wheels
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
WORKDIR /src
COPY . .
# Every wheel is checked against its hash once, here; what follows takes wheels from this folder.
RUN python3 -m venv /opt/build \
 && if [ -d build/wheels ]; then \
      /opt/build/bin/pip install -q --no-index --find-links build/wheels \
        --require-hashes -r constraints.txt && cp -r build/wheels /wheels; \
    else \
      /opt/build/bin/pip download -q --require-hashes -r constraints.txt -d /wheels \
      && /opt/build/bin/pip install -q --no-index --find-links /wheels -r constraints.txt; \
    fi
RUN /opt/build/bin/python protos/generate.py --image \
 && /opt/build/bin/pip wheel -q --no-deps --no-build-isolation -w /wheels . \
 && python3 -m venv /opt/medport \
 && /opt/medport/bin/pip install -q --no-index --find-links /wheels 'medport[tracing]' \
 && cp build/medport.binpb /opt/medport/medport.binpb

FROM ${BASE}
COPY --from=build /opt/medport /opt/medport
ENV PATH=/opt/medport/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MEDPORT_DESCRIPTORS=/opt/medport/medport.binpb
WORKDIR /var/lib/medport
RUN chown 10001:10001 /var/lib/medport
USER 10001:10001
CMD ["python3", "-m", "router", "serve"]
