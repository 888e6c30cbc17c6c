#!/bin/bash
# Runs mongod with authentication as a replica set of one, which change streams and transactions need.
# Started by hand and not by the image's own entrypoint, because that one makes its users before
# there is a replica set and never calls rs.initiate().
set -euo pipefail

# mongod takes its key from a file only, and only from one that nobody else may read.
(umask 077 && printf '%s\n' "$MONGO_KEYFILE_SECRET" >/tmp/keyfile)
unset MONGO_KEYFILE_SECRET

# healthy.sh waits for the mark; /tmp is memory, so every start makes it anew. Twice in brackets: the
# container's init, not mongod, is to reap it.
( (mongosh --quiet --norc --nodb "$(dirname "$0")/prepare.js" && touch /tmp/prepared) & )

# A transaction of a process that was killed may hold its documents for ten seconds, not a minute.
exec mongod --replSet rs0 --keyFile /tmp/keyfile --bind_ip_all --quiet \
  --setParameter transactionLifetimeLimitSeconds=10 \
  --wiredTigerCacheSizeGB "${MONGO_CACHE_GB:-0.25}"
