#!/bin/bash
# Healthy: the broker answers an ApiVersions request without an error.
# Asks on the wire itself: Kafka's own tools start a Java machine each time, two seconds of processor.
# The bytes: Kafka protocol, ApiVersions (key 18) version 0, correlation id 1, no client id; the answer
# begins with its size, the correlation id and an error code, which is 0.
set -euo pipefail
exec 3<>/dev/tcp/127.0.0.1/9092
printf '\0\0\0\x0a\0\x12\0\0\0\0\0\1\xff\xff' >&3
[ "$(head -c 10 <&3 | tail -c 6 | od -An -tx1 | tr -d ' \n')" = 000000010000 ]
