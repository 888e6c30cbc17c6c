#!/bin/bash
# Healthy: the users exist and this mongod is a primary that takes writes.
# Says {hello: 1, $db: "admin"} on the wire itself: a mongosh would cost half a second of processor
# each time, and three of them asked every few seconds would cost more than the databases do.
# The bytes: MongoDB wire protocol, OP_MSG (opcode 2013), one section of kind 0.
set -euo pipefail
[ -e /tmp/prepared ]
exec 3<>/dev/tcp/127.0.0.1/27017
printf '\x34\0\0\0\1\0\0\0\0\0\0\0\xdd\x07\0\0\0\0\0\0\0' >&3
printf '\x1f\0\0\0\x10hello\0\1\0\0\0\x02$db\0\6\0\0\0admin\0\0' >&3
dd bs=4096 count=1 status=none <&3 | LC_ALL=C grep -qaP 'isWritablePrimary\x00\x01'
