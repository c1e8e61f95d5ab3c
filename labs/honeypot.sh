#!/usr/bin/env bash
# honeypot: the last lab. An SSH server with a weak password, on this machine only, that records.
# usage: script/lab honeypot [DIRECTORY]     (default: lured-lab; port 2222 of 127.0.0.1)
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "${1:-lured-lab}"
cd "${1:-lured-lab}"

cat > lured.yaml <<END
data: $PWD/data
ssh: {endpoint: "tcp:2222:interface=127.0.0.1", key_log: 1}   # and the keys, for Wireshark
passwords: $PWD/passwords
image: $top/build/persona/debian-12.image
END
echo 'root:letmein' > passwords
exec "$top/build/lured" run --config lured.yaml
