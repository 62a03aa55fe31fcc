#!/usr/bin/env bash
# Installs what bench-gateway can be run beside, at fixed versions, in a directory outside of the repository:
#   bench/gateway/rivals.sh DIR && target/release/bench-gateway --litellm DIR/litellm/bin/litellm \
#       --portkey DIR/portkey/node_modules/@portkey-ai/gateway/build/start-server.js target/release/noren
set -euo pipefail
dir=${1:?where to}
mkdir -p "$dir/portkey"
python3 -m venv "$dir/litellm"
"$dir/litellm/bin/pip" install -q --disable-pip-version-check 'litellm[proxy]==1.106.2'
npm install --prefix "$dir/portkey" --no-audit --no-fund @portkey-ai/gateway@1.15.2
